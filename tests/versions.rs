//! Pages, lock files and the changelog name the version that the manifest has.
#![cfg(not(target_family = "wasm"))]

use std::fs;
use std::path::Path;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// What stands in quotes after each place where the text stands.
fn quoted<'a>(page: &'a str, before: &'a str) -> Vec<&'a str> {
    let found = page.split(before).skip(1);
    found.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn dependencies_in_pages_are_of_this_version() {
    let (minor, _) = VERSION.rsplit_once('.').expect("three numbers");
    for (page, name) in [
        ("README.md", "steadfast"),
        ("docs/migrating.md", "steadfast"),
        ("docs/embedding.md", "steadfast-host"),
    ] {
        let text = read(page);
        let before = format!("{name} = {{ version = \"");
        let named = quoted(&text, &before);
        assert!(!named.is_empty(), "{page}");
        assert!(
            named.iter().all(|named| *named == minor),
            "{page}: {named:?}"
        );
    }
}

#[test]
fn lock_files_hold_this_version() {
    for file in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let text = read(file);
        let locked = quoted(&text, "name = \"steadfast\"\nversion = \"");
        assert_eq!(locked, [VERSION], "{file}");
    }
}

#[test]
fn the_changelog_tells_of_this_version_with_its_date() {
    let text = read("CHANGELOG.md");
    let mut headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    assert_eq!(headings.next(), Some("Unreleased"));
    let (version, date) = headings
        .next()
        .and_then(|heading| heading.split_once(", "))
        .expect("a version and its date");
    assert_eq!(version, VERSION);
    let is_date = |(at, character): (usize, char)| match at {
        4 | 7 => character == '-',
        _ => character.is_ascii_digit(),
    };
    assert!(
        date.len() == 10 && date.chars().enumerate().all(is_date),
        "{date}"
    );
}
