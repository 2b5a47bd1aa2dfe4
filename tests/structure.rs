//! The shape of both crates: the directions of imports that their maps print, and where `unsafe` and
//! target-specific code of the guest's may stand.
#![cfg(not(target_family = "wasm"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

/// A name here stands for the file and for the directory of that name.
const UNSAFE: [&str; 6] = [
    "exclusive",
    "global",
    "heap",
    "memory",
    "metashrew/host",
    "region",
];
const TARGET_SPECIFIC: [&str; 4] = ["lanes", "memory", "global/c", "metashrew/host"];

/// The sources of a crate.
struct Tree {
    root: &'static str,
    /// What prints the direction of its imports.
    page: &'static str,
    /// Files that stand above all others, and may import what they like.
    tops: &'static [&'static str],
}

const GUEST: Tree = Tree {
    root: "src",
    page: "docs/architecture.md",
    tops: &["lib"],
};
const HOST: Tree = Tree {
    root: "host/src",
    page: "docs/architecture-host.md",
    tops: &["lib", "main", "cli"],
};

/// The modules' names, each with those that it may import directly: `heap`, or `memory/native` for
/// a part that is told apart.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// A source file without its comments and unit tests.
struct Source {
    /// Its path below `src/`, without the extension: `heap/large`.
    module: String,
    tokens: Vec<String>,
}

#[test]
fn imports_go_one_way() {
    for tree in [GUEST, HOST] {
        let Tree { root, page, tops } = tree;
        let graph = tree.graph();
        for name in graph.keys() {
            assert!(
                !reachable(&graph, name).contains(name),
                "{name} imports itself, round a circle"
            );
        }
        let sources = tree.sources().into_iter();
        for source in sources.filter(|source| !stands_in(&source.module, tops)) {
            let from = source.module.as_str();
            let name = named(&graph, from)
                .unwrap_or_else(|| panic!("{page} does not tell where {from} stands"));
            let allowed = reachable(&graph, name);
            for path in imports(&source) {
                let to = named(&graph, &path);
                let to = to.unwrap_or_else(|| {
                    panic!("{root}/{from}.rs imports {path}, which is no module: name its module")
                });
                let at_home = top(to) == top(name);
                assert!(
                    at_home || allowed.contains(to),
                    "{root}/{from}.rs imports {path}, against the direction in {page}"
                );
            }
        }
    }
}

#[test]
fn the_printed_modules_exist() {
    for tree in [GUEST, HOST] {
        let Tree { root, page, .. } = tree;
        let sources = tree.sources().into_iter();
        let modules: Vec<String> = sources.map(|source| source.module).collect();
        for name in tree.graph().keys() {
            assert!(
                modules.contains(name),
                "{page} names {name}, and there is no {root}/{name}.rs"
            );
        }
    }
}

#[test]
fn unsafe_stands_in_few_places() {
    for source in GUEST
        .sources()
        .iter()
        .filter(|source| !stands_in(&source.module, &UNSAFE))
    {
        // `unsafe(` is an attribute, as in `#[unsafe(no_mangle)]`.
        let mut pairs = source.tokens.windows(2);
        let found = pairs.any(|pair| pair[0] == "unsafe" && pair[1] != "(");
        assert!(!found, "src/{}.rs has unsafe code", source.module);
    }
}

#[test]
fn target_specific_code_stands_in_few_places() {
    for source in GUEST
        .sources()
        .iter()
        .filter(|source| !stands_in(&source.module, &TARGET_SPECIFIC))
    {
        let arch = ["core::arch", "std::arch"].map(lex);
        let is_specific = |at: &[String]| {
            ["target_arch", "target_family", "target_os"].contains(&at[0].as_str())
                || arch.iter().any(|path| at.starts_with(path))
        };
        let found = (0..source.tokens.len()).find(|at| is_specific(&source.tokens[*at..]));
        if let Some(at) = found {
            panic!("src/{}.rs has {}", source.module, source.tokens[at]);
        }
    }
}

/// What prints an error with its sources would say the reason twice.
#[test]
fn an_error_that_tells_its_cause_has_it_not_as_its_source_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for part in ["src", "host/src"] {
        collect(&root.join(part), &mut files);
    }
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        for variant in text.split("#[error(").skip(1) {
            let has_source = ["#[from]", "#[source]"]
                .iter()
                .any(|attribute| variant.contains(attribute));
            assert!(
                !has_source || variant.starts_with("transparent"),
                "{}: #[error({}",
                path.display(),
                variant.lines().next().unwrap_or_default()
            );
        }
    }
}

#[test]
fn what_the_checks_rely_on() {
    let text = "a /* crate::b */ #[cfg(test)] mod tests { c } #[cfg(test)] use d; \"e f\" // g\n h";
    assert_eq!(lex(text), ["a", "\"e f\"", "h"]);
    let source = Source {
        module: "heap/large".into(),
        tokens: lex(
            "use crate::{a::{b as x, f::<g>}, c}; $crate::d; crate::e!(); super::f; pub(crate) fn g();",
        ),
    };
    assert_eq!(imports(&source), ["a/b", "a/f", "c", "heap/f"]);
    let graph = parse_graph("a <- b, c\n  <- d    told apart\na <- e/f");
    assert_eq!(
        reachable(&graph, "d"),
        BTreeSet::from(["a", "b", "c"].map(String::from))
    );
    assert_eq!(named(&graph, "e/f"), Some("e/f"));
    assert_eq!(named(&graph, "d/x/y"), Some("d"));
    assert_eq!(named(&graph, "x"), None);
}

impl Tree {
    fn sources(&self) -> Vec<Source> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.root);
        let mut files = Vec::new();
        collect(&root, &mut files);
        // Unit tests, which may use what they like.
        files.retain(|path| !path.ends_with("tests.rs"));
        assert!(!files.is_empty());
        let source = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            let module = path.strip_prefix(&root).unwrap().with_extension("");
            Source {
                module: module.to_str().unwrap().replace('\\', "/"),
                tokens: lex(&text),
            }
        };
        files.into_iter().map(source).collect()
    }

    /// Reads the block of text in the page.
    fn graph(&self) -> Graph {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.page);
        let page = fs::read_to_string(page).unwrap();
        let (_, block) = page
            .split_once("Right may import left:")
            .expect("the page prints it");
        let block: Vec<&str> = block
            .lines()
            .skip_while(|line| *line != "```text")
            .skip(1)
            .take_while(|line| *line != "```")
            .collect();
        assert!(!block.is_empty(), "{} prints no direction", self.page);
        parse_graph(&block.join("\n"))
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// In `a <- b, c`, both right ones may import the left one. Two spaces end what counts in a line,
/// and begin one that goes on with the line before.
fn parse_graph(block: &str) -> Graph {
    let mut graph = Graph::new();
    for line in block.replace("\n  <-", " <-").lines() {
        let chain = line
            .trim()
            .split("  ")
            .next()
            .unwrap_or_default()
            .replace('←', "<-");
        let groups: Vec<Vec<String>> = chain
            .split("<-")
            .map(|group| {
                group
                    .split(',')
                    .map(|name| name.trim().to_owned())
                    .collect()
            })
            .collect();
        for name in groups.iter().flatten().filter(|name| !name.is_empty()) {
            graph.entry(name.clone()).or_default();
        }
        for pair in groups.windows(2) {
            for right in &pair[1] {
                graph
                    .entry(right.clone())
                    .or_default()
                    .extend(pair[0].iter().cloned());
            }
        }
    }
    graph
}

/// What a module may import, directly and through others.
fn reachable(graph: &Graph, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left: Vec<&str> = vec![name];
    while let Some(name) = left.pop() {
        for next in &graph[name] {
            if found.insert(next.clone()) {
                left.push(next);
            }
        }
    }
    found
}

/// The name in the graph that a path belongs to: the longest that it begins with.
fn named<'a>(graph: &'a Graph, path: &str) -> Option<&'a str> {
    let owns = |name: &&String| path == name.as_str() || path.starts_with(&format!("{name}/"));
    graph
        .keys()
        .filter(owns)
        .max_by_key(|name| name.len())
        .map(String::as_str)
}

fn top(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

fn stands_in(module: &str, places: &[&str]) -> bool {
    places
        .iter()
        .any(|place| module == *place || module.starts_with(&format!("{place}/")))
}

/// The paths that a file imports or names in full, from the crate's root, with slashes.
fn imports(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let tokens = &source.tokens;
    for at in 0..tokens.len() {
        let is_path = tokens[at + 1..].starts_with(&[":".into(), ":".into()]);
        // From a file at the top, `super` is the root; from one below, it is still inside the
        // file's own module.
        let root = match (tokens[at].as_str(), source.module.rsplit_once('/')) {
            ("crate", _) if at == 0 || tokens[at - 1] != "$" => String::new(),
            ("super", Some((parent, _))) => format!("{parent}/"),
            _ => continue,
        };
        if is_path {
            expand(&tokens[at + 3..], &root, &mut found);
        }
    }
    found
}

/// Follows one path, and each branch of it where it has braces, and answers what is behind it. A
/// macro is no module's.
fn expand<'a>(mut tokens: &'a [String], before: &str, found: &mut Vec<String>) -> &'a [String] {
    if tokens[0] == "{" {
        while tokens[0] != "}" {
            tokens = expand(&tokens[1..], before, found);
            let end = tokens.iter().position(|token| token == "," || token == "}");
            tokens = &tokens[end.expect("a group has an end")..];
        }
        return &tokens[1..];
    }
    let is_name = |token: &String| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let path = format!("{before}{}", tokens[0]);
    let goes_on = |next: &String| is_name(next) || next == "{";
    match &tokens[1..] {
        [a, b, next, ..] if a == ":" && b == ":" && goes_on(next) => {
            return expand(&tokens[3..], &format!("{path}/"), found);
        }
        [mark, ..] if mark == "!" => {}
        // What ends a group with a comma behind its last branch.
        _ if !is_name(&tokens[0]) => return tokens,
        _ => found.push(path),
    }
    &tokens[1..]
}

/// The tokens of a text, but for unit tests, which may use what they like.
fn lex(text: &str) -> Vec<String> {
    let stream: TokenStream = text.parse().expect("Rust's tokens");
    let mut tokens = Vec::new();
    flatten(stream, &mut tokens);
    tokens
}

fn flatten(stream: TokenStream, tokens: &mut Vec<String>) {
    let mut trees = stream.into_iter();
    while let Some(tree) = trees.next() {
        let TokenTree::Group(group) = &tree else {
            tokens.push(tree.to_string());
            continue;
        };
        if group.to_string().replace(' ', "") == "[cfg(test)]" {
            tokens.pop();
            let ends = |tree: &TokenTree| {
                let text = tree.to_string();
                text == ";" || text.starts_with('{')
            };
            trees.find(ends);
            continue;
        }
        let (open, close) = match group.delimiter() {
            proc_macro2::Delimiter::Parenthesis => ("(", ")"),
            proc_macro2::Delimiter::Brace => ("{", "}"),
            proc_macro2::Delimiter::Bracket => ("[", "]"),
            proc_macro2::Delimiter::None => ("", ""),
        };
        tokens.push(open.into());
        flatten(group.stream(), tokens);
        tokens.push(close.into());
    }
}
