//! `docs/safety.md` names the public functions of the files that it lists: all of them, and no
//! others.
#![cfg(not(target_family = "wasm"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

type Names = BTreeMap<String, BTreeSet<String>>;

/// Files whose public functions lead to unsafe code, and methods in them of types that are not
/// public.
const FILES: [(&str, &[&str]); 27] = [
    ("cache", &[]),
    ("cache/hashed_key", &[]),
    ("cache/open", &[]),
    ("cache/scope", &[]),
    ("cache/scoped", &[]),
    ("exclusive", &[]),
    ("global", &[]),
    ("global/c", &[]),
    ("heap", &[]),
    ("heap/stats", &[]),
    ("heap/map", &[]),
    ("heap/validate", &[]),
    ("memory/host", &[]),
    ("metashrew/host", &[]),
    ("metashrew/host_interface", &[]),
    ("metashrew/logging", &[]),
    ("plan", &[]),
    ("probe", &[]),
    ("instance_info", &[]),
    ("region", &[]),
    ("region/geometry", &[]),
    (
        "region/image",
        &["accept", "refuse", "begin_change", "end_change", "close"],
    ),
    ("region/info", &[]),
    ("region/reader", &[]),
    ("region/reserved", &[]),
    ("reserve", &[]),
    ("units", &[]),
];

#[test]
fn every_public_function_is_listed_with_a_reason() {
    let mut code = Names::new();
    for (file, private) in FILES {
        let mut names = public_functions(&read(&format!("src/{file}.rs")));
        names.retain(|name| !private.contains(&name.as_str()));
        code.insert(file.to_owned(), names);
    }
    assert_eq!(listed(&read("docs/safety.md")), code);
}

/// The functions that the tables' rows name, by file.
fn listed(page: &str) -> Names {
    let mut names = Names::new();
    for row in page.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, file, functions, reason, _] = cells[..] else {
            panic!("the row has other cells: {row}");
        };
        assert!(!reason.is_empty(), "{row}");
        let of_file = names.entry(file.trim_matches('`').to_owned()).or_default();
        for name in functions.split(", ") {
            of_file.insert(name.trim_matches('`').to_owned());
        }
    }
    names
}

fn public_functions(source: &str) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut names = BTreeSet::new();
    for line in source.lines() {
        let line = line.trim_start();
        let named = ["pub fn ", "pub const fn "]
            .iter()
            .find_map(|begin| line.strip_prefix(begin));
        if let Some(rest) = named {
            let end = rest.find(['(', '<']).expect("a function has parameters");
            names.insert(rest[..end].to_owned());
        }
    }
    names
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}
