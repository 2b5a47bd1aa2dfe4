//! Every message that a user can meet stands in `docs/troubleshooting.md`, and every message that stands there can be met.
#![cfg(not(target_family = "wasm"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Whose messages: files and directories.
const SOURCES: [&str; 4] = [
    "src",
    "host/src",
    "build.rs",
    "examples/indexer/src/metashrew.rs",
];
/// What stands before a message in a source.
const ERRORS: [&str; 5] = [
    "#[error(",
    "compile_error!(",
    "halt(format_args!(",
    "say(format_args!(",
    "\"steadfast plan",
];
/// The same in the command, and where arguments and variables are read.
const SPOKEN: [&str; 10] = [
    "bail!(",
    "anyhow!(",
    "context(",
    "eprintln!(",
    "refuse(",
    "Err(",
    "map_err(|_|",
    "ok_or_else(||",
    "warn(",
    "writeln!(stderr(),",
];
/// Where they speak to the user themselves.
const SPEAKING: [&str; 5] = [
    "build.rs",
    "host/src/ceiling.rs",
    "host/src/cli",
    "host/src/cli.rs",
    "host/src/main.rs",
];
/// What only those meet who ask for a whole check of a heap or a cache: tests and fuzzers.
const CHECKS: [&str; 2] = ["src/heap/validate.rs", "src/cache/fault.rs"];
/// What others say: the compiler, the linker.
const FOREIGN: [&str; 3] = [
    "cannot define multiple global allocators",
    "duplicate symbol: malloc",
    "Linking globals named 'malloc': symbol multiply defined!",
];
/// Bytes of a message that the page has at least, where it leaves the rest to `…`.
const LEAST_BEGINNING: usize = 15;
/// Letters that a message has at least: fewer are no words of its own, as in `{path}: {source}`.
const LEAST_LETTERS: usize = 5;

#[test]
fn every_message_is_explained_and_every_explained_message_can_be_met() {
    let messages = messages();
    let explained = explained();
    assert!(messages.len() > 80, "only {} were found", messages.len());
    let means = |span: &str, message: &str| match span.strip_suffix('…') {
        Some(beginning) => beginning.len() >= LEAST_BEGINNING && message.starts_with(beginning),
        None => span == message,
    };
    let missing: Vec<_> = messages
        .iter()
        .filter(|message| !explained.iter().any(|span| means(span, message)))
        .collect();
    assert!(missing.is_empty(), "not explained: {missing:#?}");
    let stale: Vec<_> = explained
        .iter()
        .filter(|span| !messages.iter().any(|message| means(span, message)))
        .filter(|span| !FOREIGN.contains(&span.as_str()))
        .collect();
    assert!(stale.is_empty(), "nobody says: {stale:#?}");
}

/// All messages of the sources, the parts that vary as `{}`.
fn messages() -> BTreeSet<String> {
    let mut messages = BTreeSet::new();
    for file in SOURCES.into_iter().flat_map(files) {
        let path = file.strip_prefix(root()).expect("below the root");
        let is_test = path.ends_with("tests.rs");
        if is_test || CHECKS.iter().any(|check| path == Path::new(check)) {
            continue;
        }
        let source = fs::read_to_string(&file).expect("a source can be read");
        let source = source.split("#[cfg(test)]").next().unwrap_or_default();
        let speaks = SPEAKING.iter().any(|place| path.starts_with(place));
        let markers = ERRORS.iter().chain(SPOKEN.iter().filter(|_| speaks));
        for marker in markers {
            // A marker may hold the beginning of the message itself.
            let skipped = marker.find('"').unwrap_or(marker.len());
            let found = source.match_indices(marker);
            let found = found.filter_map(|(at, _)| literal(&source[at + skipped..]));
            messages.extend(found.filter(|message| has_words(message)));
        }
        // Whoever never returns tells why by its name, in a backtrace.
        for parameters in ["() -> !", "(refusal: &Refusal) -> !"] {
            messages.extend(names(source, "\nfn ", parameters));
        }
        if path == Path::new("src/record.rs") {
            messages.extend(names(source, "    ", " = "));
        }
        if path == Path::new("host/src/observe.rs") {
            messages.extend(names(source, "=> \"", "\","));
        }
    }
    messages
}

fn has_words(message: &str) -> bool {
    message.chars().filter(|c| c.is_alphabetic()).count() >= LEAST_LETTERS
}

/// The words that stand between two texts.
fn names<'a>(
    source: &'a str,
    before: &'a str,
    after: &'a str,
) -> impl Iterator<Item = String> + 'a {
    let found = source.match_indices(before);
    found.filter_map(move |(at, _)| {
        let (name, _) = source[at + before.len()..].split_once(after)?;
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        (!name.is_empty() && name.chars().all(is_word)).then(|| name.to_string())
    })
}

/// The string that a call begins with, also where it is formatted or made by a closure.
fn literal(call: &str) -> Option<String> {
    let quote = call.find('"')?;
    let before = call[..quote].replace("format!(", "").replace("|| ", "");
    if before.contains(|c: char| !c.is_whitespace() && c != '{' && c != '&') {
        return None;
    }
    let mut text = String::new();
    let mut characters = call[quote + 1..].chars();
    loop {
        match characters.next()? {
            '"' => return Some(blanked(&text)),
            '\\' => match characters.next()? {
                '\n' => characters = characters.as_str().trim_start().chars(),
                escaped => text.push(escaped),
            },
            character => text.push(character),
        }
    }
}

/// The same with every part in braces empty.
fn blanked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out += before;
        out += "{}";
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// What stands as code in the first column of the page's tables.
fn explained() -> Vec<String> {
    let page =
        fs::read_to_string(root().join("docs/troubleshooting.md")).expect("the page is there");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let cells = rows.filter_map(|row| row[2..].split(" | ").next());
    cells.flat_map(spans).map(|span| blanked(&span)).collect()
}

/// Code in Markdown: between as many backticks as it begins with.
fn spans(cell: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut rest = cell;
    while let Some(at) = rest.find('`') {
        let from = &rest[at..];
        let ticks = from.len() - from.trim_start_matches('`').len();
        let Some((span, after)) = from[ticks..].split_once(&from[..ticks]) else {
            break;
        };
        spans.push(span.trim().to_string());
        rest = after;
    }
    spans
}

fn files(below: &str) -> Vec<PathBuf> {
    let path = root().join(below);
    if path.is_file() {
        return vec![path];
    }
    let entries = fs::read_dir(&path).expect("a directory of sources");
    let entries = entries.map(|entry| entry.expect("readable").path());
    let entries = entries.map(|entry| entry.strip_prefix(root()).expect("below").to_owned());
    entries
        .flat_map(|entry| files(entry.to_str().expect("a name in UTF-8")))
        .collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
