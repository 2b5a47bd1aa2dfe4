//! Links between documents lead somewhere, and the files that the architecture names exist.
#![cfg(not(target_family = "wasm"))]

use std::fs;
use std::path::{Path, PathBuf};

/// Where documents are: directories, not those below them.
const FOLDERS: [&str; 5] = ["", "docs", "docs/decisions", "examples", "host"];
const ARCHITECTURE: &str = "docs/architecture.md";
/// What the paths in the architecture begin at.
const BASES: [&str; 3] = ["", "src", "host/src"];

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut links = 0;
    for page in FOLDERS.into_iter().flat_map(pages) {
        let text = read(&page);
        for target in text.split("](").skip(1) {
            let target = target.split(')').next().unwrap_or_default();
            if target.contains("://") {
                continue;
            }
            links += 1;
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let folder = page.parent().expect("a page is in a folder");
            let path = match file {
                "" => page.clone(),
                file => folder.join(file),
            };
            let place = page.display();
            assert!(path.exists(), "{place}: {target} leads nowhere");
            let is_there = heading.is_empty() || headings(&read(&path)).any(|name| name == heading);
            assert!(is_there, "{place}: {target} names no heading");
        }
    }
    assert!(links > 50, "only {links} links were found");
}

#[test]
fn the_files_that_the_architecture_names_exist() {
    let text = read(&root().join(ARCHITECTURE));
    let spans = text.split('`').skip(1).step_by(2);
    let files: Vec<_> = spans
        .filter(|span| span.ends_with(".rs") || span.ends_with('/'))
        .collect();
    assert!(files.len() > 60, "only {} files are named", files.len());
    for file in files {
        let found = BASES
            .iter()
            .any(|base| root().join(base).join(file).exists());
        assert!(found, "{ARCHITECTURE} names {file}, which does not exist");
    }
}

/// The names by which links reach a page's headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    lines.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || "- _".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

fn pages(folder: &str) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(root().join(folder)).expect("a folder of documents");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
