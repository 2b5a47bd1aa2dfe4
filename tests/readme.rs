//! The README's table of features is that of the manifest, and the indexers shown can be tested.
#![cfg(not(target_family = "wasm"))]

use std::fs;
use std::path::Path;

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

/// A panic that leaves an `extern "C"` function aborts the whole run of native tests; one that
/// leaves an `extern "C-unwind"` function fails its test. In a module both are the same.
#[test]
fn what_indexers_export_lets_a_panic_through() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut exported = 0;
    for file in [
        "README.md",
        "examples/indexer-metashrew/src/lib.rs",
        "examples/metashrew-port/src/lib.rs",
    ] {
        let text = fs::read_to_string(root.join(file)).expect("the file is there");
        assert!(!text.contains("extern \"C\" fn"), "{file}");
        exported += text.matches("extern \"C-unwind\" fn").count();
    }
    assert!(exported >= 7, "{exported}");
}
