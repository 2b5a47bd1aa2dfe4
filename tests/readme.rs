//! The README's table of features is that of the manifest.
#![cfg(not(target_family = "wasm"))]

const README: &str = include_str!("../README.md");
const MANIFEST: &str = include_str!("../Cargo.toml");

/// The lines of a part that begins with one line and ends before another.
fn part<'a>(text: &'a str, begin: &str, end: &str) -> impl Iterator<Item = &'a str> {
    let (_, part) = text.split_once(begin).expect("the part begins");
    let (part, _) = part.split_once(end).expect("the part ends");
    part.lines()
}

#[test]
fn the_table_of_features_is_that_of_the_manifest() {
    let features = part(MANIFEST, "\n[features]\n", "\n[");
    let features = features.filter_map(|line| Some(line.split_once(" = ")?.0));
    let rows = part(README, "\n## Features\n", "\n## ");
    let rows = rows.filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0));
    let (features, rows): (Vec<_>, Vec<_>) = (features.collect(), rows.collect());
    assert!(features.len() > 1, "{features:?}");
    assert_eq!(rows, features);
}
