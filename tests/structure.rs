//! The shape of the crate: the direction of imports that `docs/architecture.md` prints, and where `unsafe` and target-specific code may stand.
#![cfg(not(target_family = "wasm"))]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A name here stands for the file and for the directory of that name.
const UNSAFE: [&str; 6] = [
    "exclusive",
    "global",
    "heap",
    "memory",
    "metashrew/host",
    "region",
];
const TARGET_SPECIFIC: [&str; 3] = ["memory", "global/c", "metashrew/host"];

/// What prints the direction.
const PAGE: &str = "docs/architecture.md";

/// The modules' names, each with those that it may import directly: `heap`, or `memory/native` for a part that is told apart.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// A source file without its comments, strings and unit tests.
struct Source {
    /// Its path below `src/`, without the extension: `heap/large`.
    module: String,
    code: String,
}

#[test]
fn imports_go_one_way() {
    let graph = graph();
    for name in graph.keys() {
        assert!(
            !reachable(&graph, name).contains(name),
            "{name} imports itself, round a circle"
        );
    }
    for source in sources().iter().filter(|source| source.module != "lib") {
        let from = source.module.as_str();
        let name = named(&graph, from)
            .unwrap_or_else(|| panic!("{PAGE} does not tell where {from} stands"));
        let allowed = reachable(&graph, name);
        for path in imports(source) {
            let to = named(&graph, &path);
            let to = to.unwrap_or_else(|| {
                panic!("src/{from}.rs imports {path}, which is no module: name its module")
            });
            let at_home = top(to) == top(name);
            assert!(
                at_home || allowed.contains(to),
                "src/{from}.rs imports {path}, against the direction in {PAGE}"
            );
        }
    }
}

#[test]
fn the_printed_modules_exist() {
    let modules: Vec<String> = sources().into_iter().map(|source| source.module).collect();
    for name in graph().keys() {
        assert!(
            modules.contains(name),
            "{PAGE} names {name}, and there is no src/{name}.rs"
        );
    }
}

#[test]
fn unsafe_stands_in_few_places() {
    for source in sources()
        .iter()
        .filter(|source| !stands_in(&source.module, &UNSAFE))
    {
        // `unsafe(` is an attribute, as in `#[unsafe(no_mangle)]`.
        let found = words(&source.code, "unsafe").any(|rest| !rest.starts_with('('));
        assert!(!found, "src/{}.rs has unsafe code", source.module);
    }
}

#[test]
fn target_specific_code_stands_in_few_places() {
    for source in sources()
        .iter()
        .filter(|source| !stands_in(&source.module, &TARGET_SPECIFIC))
    {
        for word in [
            "target_arch",
            "target_family",
            "target_os",
            "core::arch",
            "std::arch",
        ] {
            assert!(
                words(&source.code, word).next().is_none(),
                "src/{}.rs has {word}",
                source.module
            );
        }
    }
}

#[test]
fn what_the_checks_rely_on() {
    assert_eq!(
        strip("a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j\"#"),
        "a  e \n\"\" i \"\""
    );
    assert_eq!(strip("'\"' x <'a> '\\'' y"), " x <'a>  y");
    assert_eq!(
        without_tests("a #[cfg(test)]\nmod tests { { b } } c"),
        "a  c"
    );
    let source = Source {
        module: "heap/large".into(),
        code: "crate::{a::b, c}; $crate::d; crate::e!(); super::f; mycrate::g".into(),
    };
    assert_eq!(imports(&source), ["a/b", "c", "heap/f"]);
    let graph = parse_graph("a <- b, c <- d    told apart\na <- e/f");
    assert_eq!(
        reachable(&graph, "d"),
        BTreeSet::from(["a", "b", "c"].map(String::from))
    );
    assert_eq!(named(&graph, "e/f"), Some("e/f"));
    assert_eq!(named(&graph, "d/x/y"), Some("d"));
    assert_eq!(named(&graph, "x"), None);
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
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
            code: without_tests(&strip(&text)),
        }
    };
    files.into_iter().map(source).collect()
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

/// Reads the block of text in the page.
fn graph() -> Graph {
    let page = include_str!("../docs/architecture.md");
    let (_, block) = page
        .split_once("Right may import left:")
        .expect("the page prints it");
    let block: Vec<&str> = block
        .lines()
        .skip_while(|line| *line != "```text")
        .skip(1)
        .take_while(|line| *line != "```")
        .collect();
    assert!(!block.is_empty(), "{PAGE} prints no direction of imports");
    parse_graph(&block.join("\n"))
}

/// In `a <- b, c`, both right ones may import the left one. Two spaces end what counts in a line.
fn parse_graph(block: &str) -> Graph {
    let mut graph = Graph::new();
    for line in block.lines() {
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
    for rest in words(&source.code, "crate::") {
        expand(rest, "", &mut found);
    }
    // From a file at the top, `super` is the root; from one below, it is still inside the file's own module.
    if let Some((parent, _)) = source.module.rsplit_once('/') {
        for rest in words(&source.code, "super::") {
            expand(rest, &format!("{parent}/"), &mut found);
        }
    }
    found.retain(|path| !path.ends_with('!'));
    found
}

/// Follows one path, and each branch of it where it has braces, for two steps at most. A macro's name keeps its mark.
fn expand(text: &str, before: &str, found: &mut Vec<String>) {
    if let Some(group) = text.strip_prefix('{') {
        for branch in branches(group) {
            expand(branch, before, found);
        }
        return;
    }
    let end = text
        .find(|character: char| !character.is_alphanumeric() && character != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mark = if rest.starts_with('!') { "!" } else { "" };
    let path = format!("{before}{name}{mark}");
    match rest.strip_prefix("::") {
        Some(rest) if !before.contains('/') => expand(rest, &format!("{path}/"), found),
        _ => found.push(path),
    }
}

/// The parts of a group whose opening brace has been read.
fn branches(group: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                parts.push(group[start..at].trim());
                start = at + 1;
            }
            '}' => depth -= 1,
            _ => {}
        }
        if character == '}' && start == at + 1 {
            break;
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

/// What follows each place where the word stands by itself.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    let part_of_name =
        |character: char| character.is_alphanumeric() || character == '_' || character == '$';
    code.match_indices(word).filter_map(move |(at, _)| {
        let rest = &code[at + word.len()..];
        let ends = word.ends_with(':') || !rest.starts_with(part_of_name);
        (ends && !code[..at].ends_with(part_of_name)).then_some(rest)
    })
}

/// Drops comments, characters and what stands in strings.
fn strip(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            comment(rest)
        } else if let Some(length) = string(rest).filter(|_| !code.ends_with(char::is_alphanumeric))
        {
            code.push_str("\"\"");
            length
        } else if let Some(length) = character(rest) {
            length
        } else {
            code.push(first);
            first.len_utf8()
        };
        rest = &rest[skipped..];
    }
    code
}

/// The length of the comment that begins here, others inside it counted.
fn comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at
}

/// The length of the string that begins here, raw or not.
fn string(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - body.len();
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let close = format!("\"{}", "#".repeat(hashes));
        let inside = raw[hashes..].strip_prefix('"')?;
        return Some(prefix + 1 + hashes + 1 + inside.find(&close)? + close.len());
    }
    let mut escaped = false;
    let inside = body.strip_prefix('"')?;
    let end = inside.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    });
    Some(prefix + 1 + end? + 1)
}

/// The length of the character that begins here, which is no lifetime.
fn character(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return Some(inside[2..].find('\'')? + 4);
    }
    let one = inside.chars().next()?.len_utf8();
    inside[one..].starts_with('\'').then_some(one + 2)
}

/// Drops unit tests, which may use what they like.
fn without_tests(code: &str) -> String {
    let Some((before, rest)) = code.split_once("#[cfg(test)]") else {
        return code.to_owned();
    };
    let mut depth = 0;
    for (at, character) in rest.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' => {}
            _ => continue,
        }
        if depth == 0 {
            return before.to_owned() + &without_tests(&rest[at + 1..]);
        }
    }
    before.to_owned()
}
