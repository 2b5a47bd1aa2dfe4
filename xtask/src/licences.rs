//! Every shipped dependency has a licence of `deny.toml`, and every direct one stands in
//! `docs/dependencies.md`.
//!
//! cargo-deny checks more of this in the public workflow, and takes minutes to build.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::project::Project;
use crate::shell;
use crate::step::step;

/// The packages that are shipped.
const SHIPPED: [&str; 2] = ["steadfast", "steadfast-host"];

const TABLE: &str = "docs/dependencies.md";

/// Checks the dependencies of what is shipped.
pub fn check(project: &Project) -> Result<()> {
    step("licences", || {
        let read = |page: &str| fs::read_to_string(project.root().join(page));
        let (table, deny) = (read(TABLE)?, read("deny.toml")?);
        let allowed = allowed(&deny).context("deny.toml has no list of licences")?;
        let mut faults = BTreeSet::new();
        for (name, licence) in dependencies(project, &[])? {
            if !is_met(&licence, &allowed) {
                faults.insert(format!("{name}: deny.toml does not allow {licence}"));
            }
        }
        for (name, licence) in dependencies(project, &["--depth", "1"])? {
            let row = format!("| `{name}` | {licence} |");
            if !table.lines().any(|line| line.starts_with(&row)) {
                faults.insert(format!("{TABLE} lacks the row {row} PURPOSE |"));
            }
        }
        let faults: Vec<_> = faults.into_iter().collect();
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    })
}

/// Name and licence of each dependency, as cargo's tree prints it.
fn dependencies(project: &Project, more: &[&str]) -> Result<BTreeSet<(String, String)>> {
    let tree = "tree --edges normal --all-features --target all --prefix none --format {p}|{l}";
    let mut found = BTreeSet::new();
    for package in SHIPPED {
        let mut cargo = project.cargo(tree.split(' '));
        let text = shell::output(cargo.args(["--package", package]).args(more))?;
        for line in text.lines() {
            let (package, licence) = line
                .split_once('|')
                .context("cargo's tree has no licence")?;
            let name = package.split(' ').next().unwrap_or_default();
            if !SHIPPED.contains(&name) {
                let licence = licence.trim_end_matches(" (*)");
                found.insert((name.to_owned(), licence.to_owned()));
            }
        }
    }
    Ok(found)
}

/// The list of licences.
fn allowed(deny: &str) -> Option<Vec<&str>> {
    let (_, list) = deny.split_once("\nallow = [")?;
    let (list, _) = list.split_once(']')?;
    Some(list.split('"').skip(1).step_by(2).collect())
}

/// Whether an SPDX expression, or the older form with slashes, can be met by allowed licences
/// alone.
fn is_met(licence: &str, allowed: &[&str]) -> bool {
    let licence = licence.replace(['(', ')'], "").replace('/', " OR ");
    let is_allowed = |one: &str| allowed.contains(&one.trim());
    licence
        .split(" AND ")
        .all(|part| part.split(" OR ").any(is_allowed))
}

#[cfg(test)]
mod tests {
    use super::{allowed, is_met};

    #[test]
    fn one_allowed_alternative_is_enough_and_all_parts_are_needed() {
        let allowed = allowed(include_str!("../../deny.toml")).expect("a list");
        for (licence, expected) in [
            ("MIT", true),
            ("GPL-3.0-only OR Apache-2.0 WITH LLVM-exception", true),
            ("MIT/Apache-2.0", true),
            ("Apache-2.0 / MIT", true),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", true),
            ("MIT AND GPL-3.0-only", false),
            ("(MIT OR Apache-2.0) AND GPL-3.0-only", false),
            ("GPL-3.0-only OR (MIT AND LGPL-3.0-only)", false),
            ("", false),
        ] {
            assert_eq!(is_met(licence, &allowed), expected, "{licence}");
        }
    }
}
