//! Every shipped dependency's licence is one that is allowed, and every direct one stands in `docs/dependencies.md`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};

use crate::project::Project;
use crate::shell;
use crate::step::step;

/// The packages that are shipped.
const SHIPPED: [&str; 2] = ["steadfast", "steadfast-host"];

const TABLE: &str = "docs/dependencies.md";

/// Licences that ask for no more than that their text be kept.
const ALLOWED: [&str; 11] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// One package of cargo's tree, with its licence.
#[derive(Debug, PartialEq, Eq)]
struct Dependency {
    name: String,
    licence: String,
}

/// Checks the dependencies of what is shipped.
pub fn check(project: &Project) -> Result<()> {
    step("licences", || {
        let table = fs::read_to_string(project.root().join(TABLE))
            .with_context(|| format!("cannot read {TABLE}"))?;
        let mut faults = BTreeSet::new();
        for package in SHIPPED {
            for dependency in tree(project, package, &[])? {
                if !is_allowed(&dependency.licence) {
                    faults.insert(format!(
                        "the licence of {} is not on xtask's list: {}",
                        dependency.name, dependency.licence
                    ));
                }
            }
            for direct in tree(project, package, &["--depth", "1"])? {
                if !stands_in(&table, &direct) {
                    faults.insert(format!("{TABLE} lacks the row {} PURPOSE |", row(&direct)));
                }
            }
        }
        for fault in &faults {
            eprintln!("{fault}");
        }
        ensure!(faults.is_empty(), "see the lines above");
        Ok(())
    })
}

fn tree(project: &Project, package: &str, more: &[&str]) -> Result<Vec<Dependency>> {
    let mut cargo = project.cargo([
        "tree",
        "--edges",
        "normal",
        "--all-features",
        "--no-dedupe",
        "--prefix",
        "none",
    ]);
    let text = shell::output(
        cargo
            .args([
                "--target",
                "all",
                "--format",
                "{p}|{l}",
                "--package",
                package,
            ])
            .args(more),
    )?;
    Ok(text
        .lines()
        .filter_map(parse)
        .filter(|dependency| !SHIPPED.contains(&&*dependency.name))
        .collect())
}

/// Reads `name v1.2.3 (source)|licence`.
fn parse(line: &str) -> Option<Dependency> {
    let (package, licence) = line.split_once('|')?;
    let name = package.split(' ').next()?;
    Some(Dependency {
        name: name.to_owned(),
        licence: licence.to_owned(),
    })
}

/// Whether an SPDX expression, or the older form with slashes, can be met by allowed licences alone.
fn is_allowed(licence: &str) -> bool {
    let licence = licence.replace('/', " OR ");
    is_met(&licence)
}

fn is_met(expression: &str) -> bool {
    let alternatives = split(expression, " OR ");
    if alternatives.len() > 1 {
        return alternatives.into_iter().any(is_met);
    }
    let parts = split(expression, " AND ");
    if parts.len() > 1 {
        return parts.into_iter().all(is_met);
    }
    let one = expression.trim();
    let inner = one
        .strip_prefix('(')
        .and_then(|rest| rest.strip_suffix(')'));
    inner.map_or_else(|| ALLOWED.contains(&one), is_met)
}

/// Splits at each `word` that stands outside parentheses.
fn split<'a>(expression: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, character) in expression.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ if depth == 0 && expression[at..].starts_with(word) => {
                parts.push(&expression[start..at]);
                start = at + word.len();
            }
            _ => {}
        }
    }
    parts.push(&expression[start..]);
    parts
}

fn stands_in(table: &str, dependency: &Dependency) -> bool {
    table.lines().any(|line| line.starts_with(&row(dependency)))
}

/// How the dependency's row in the table begins.
fn row(dependency: &Dependency) -> String {
    format!("| `{}` | {} |", dependency.name, dependency.licence)
}

#[cfg(test)]
mod tests {
    use super::{ALLOWED, Dependency, is_allowed, parse, stands_in};

    #[test]
    fn the_workflow_allows_the_same_licences() {
        let deny = include_str!("../../deny.toml");
        let list = deny
            .split("\nallow = [")
            .nth(1)
            .expect("a list of licences");
        let list = list.split(']').next().unwrap_or_default();
        let allowed: Vec<_> = list.split('"').skip(1).step_by(2).collect();
        assert_eq!(allowed, ALLOWED);
    }

    #[test]
    fn one_allowed_alternative_is_enough_and_all_its_parts_are_needed() {
        assert!(is_allowed("MIT"));
        assert!(is_allowed("GPL-3.0-only OR Apache-2.0 WITH LLVM-exception"));
        assert!(is_allowed("MIT/Apache-2.0"));
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(!is_allowed("MIT AND GPL-3.0-only"));
        assert!(!is_allowed("(MIT OR Apache-2.0) AND GPL-3.0-only"));
        assert!(is_allowed(
            "MIT OR (Apache-2.0 AND (GPL-3.0-only OR GPL-2.0-only))"
        ));
        assert!(!is_allowed(""));
    }

    #[test]
    fn a_row_needs_name_and_licence() {
        let found = parse("redb v4.0.0|MIT OR Apache-2.0").expect("a line of cargo tree");
        assert_eq!(
            found,
            Dependency {
                name: "redb".into(),
                licence: "MIT OR Apache-2.0".into()
            }
        );
        assert!(stands_in(
            "| `redb` | MIT OR Apache-2.0 | the database |",
            &found
        ));
        assert!(!stands_in("| `redb` | MIT | the database |", &found));
        assert!(!stands_in("| `red` | MIT OR Apache-2.0 | |", &found));
    }
}
