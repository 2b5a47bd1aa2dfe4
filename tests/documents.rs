//! Links between documents lead somewhere; files and messages that pages name exist.
#![cfg(not(target_family = "wasm"))]

use std::fs;
use std::path::{Path, PathBuf};

use steadfast::region::{ENTRY_HEADER_BYTES, FORMAT_VERSION, HEADER_BYTES};

/// Where documents are: directories, not those below them.
const FOLDERS: [&str; 5] = ["", "docs", "docs/decisions", "examples", "host"];
/// The maps of the code, and the folder that each one's files are in.
const MAPS: [(&str, &str); 2] = [
    ("docs/architecture.md", "src"),
    ("docs/architecture-host.md", "host/src"),
];
const TROUBLESHOOTING: &str = "docs/troubleshooting.md";
/// Whose messages that page explains.
const SOURCES: [&str; 4] = [
    "src",
    "host/src",
    "build.rs",
    "examples/indexer/src/metashrew.rs",
];
/// What the compiler and the linker say.
const FOREIGN: [&str; 3] = [
    "cannot define multiple global allocators",
    "duplicate symbol: malloc",
    "Linking globals named 'malloc': symbol multiply defined!",
];

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
    for (page, folder) in MAPS {
        let text = read(&root().join(page));
        let files: Vec<_> = spans(&text)
            .into_iter()
            .filter(|span| span.ends_with(".rs") || span.ends_with('/'))
            .collect();
        assert!(files.len() > 40, "{page} names only {} files", files.len());
        for file in files {
            let found = ["", folder]
                .iter()
                .any(|base| root().join(base).join(file).exists());
            assert!(found, "{page} names {file}, which does not exist");
        }
    }
}

#[test]
fn the_architecture_names_every_part() {
    for (page, folder) in MAPS {
        let text = read(&root().join(page));
        let named = spans(&text);
        for entry in fs::read_dir(root().join(folder)).expect("a folder of the tree") {
            let name = entry.expect("it can be listed").file_name();
            let name = name.to_str().expect("sources have plain names");
            // A folder is its file's, if it has one.
            let file = match name.ends_with(".rs") {
                true => name.to_owned(),
                false => format!("{name}.rs"),
            };
            let is_named = named.contains(&&*file) || named.contains(&&*format!("{name}/"));
            let is_root = ["lib.rs", "main.rs"].contains(&name);
            assert!(is_named || is_root, "{page} names no {folder}/{name}");
        }
    }
}

#[test]
fn the_formats_have_the_version_of_the_code() {
    let script = "host/src/verify/javascript/region.mjs";
    let version = FORMAT_VERSION;
    let text = read(&root().join(script));
    for line in [
        format!("const FORMAT_VERSION = {version};\n"),
        format!("const REGION_HEADER_BYTES = {HEADER_BYTES};\n"),
        format!("const ENTRY_HEADER_BYTES = {ENTRY_HEADER_BYTES};\n"),
    ] {
        assert!(text.contains(&line), "{script} has no {line}");
    }
    let page = read(&root().join("docs/formats.md"));
    for line in [
        format!("## The region, format version {version}\n"),
        format!("| 8 | 4 | format version, {version} |\n"),
        format!("`tests/golden/region-{version}.bin`"),
    ] {
        assert!(page.contains(&line), "docs/formats.md has no {line}");
    }
}

#[test]
fn the_messages_that_troubleshooting_explains_exist() {
    let mut sources = String::new();
    SOURCES
        .into_iter()
        .for_each(|path| collect(&root().join(path), &mut sources));
    let said: String = sources
        .split("\\\n")
        .map(str::trim_start)
        .collect::<String>()
        .replace("\\\"", "\"");
    let page = read(&root().join(TROUBLESHOOTING));
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let messages: Vec<_> = rows
        .filter_map(|row| row[2..].split(" | ").next())
        .flat_map(spans)
        .filter(|message| !FOREIGN.contains(message))
        .collect();
    assert!(messages.len() > 80, "only {} are explained", messages.len());
    for message in messages {
        // Parts in braces vary, and the rest behind `…` is not on the page.
        for part in message.split(['{', '}']).step_by(2) {
            let part = part.trim_end_matches('…');
            assert!(
                said.contains(part),
                "{TROUBLESHOOTING} explains {message:?}, and nobody says {part:?}"
            );
        }
    }
}

/// Code in Markdown: between as many backticks as it begins with.
fn spans(cell: &str) -> Vec<&str> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some(at) = rest.find('`') {
        let from = &rest[at..];
        let (ticks, code) = from.split_at(from.len() - from.trim_start_matches('`').len());
        let Some((span, after)) = code.split_once(ticks) else {
            break;
        };
        spans.push(span.trim());
        rest = after;
    }
    spans
}

/// Appends the file, or all files below the folder.
fn collect(path: &Path, text: &mut String) {
    if path.is_file() {
        text.push_str(&read(path));
        return;
    }
    let entries = fs::read_dir(path).expect("a folder of sources");
    entries.for_each(|entry| collect(&entry.expect("readable").path(), text));
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
