//! How deep calls can go.

use std::collections::BTreeSet;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::facts::Facts;
use super::{Finding, Level, Rule};
use crate::table::counted;

/// Functions of a circle that are named.
const NAMED: usize = 4;

pub const RULES: &[&Rule] = &[&RECURSION];

const RECURSION: Rule = Rule {
    id: "recursion",
    level: Level::Note,
    advice: "how deep it may go differs between engines, and a stack that overflows stops the node: bound the depth by the program's own count",
};

/// Functions that call themselves, directly or through each other; calls through a table are not
/// followed.
pub fn look(facts: &Facts) -> Vec<Finding> {
    let mut graph = DiGraph::<(), ()>::new();
    let nodes: Vec<NodeIndex> = facts.functions.iter().map(|_| graph.add_node(())).collect();
    let imported = facts.imports.len();
    for (caller, function) in facts.functions.iter().enumerate() {
        // Each once.
        let callees: BTreeSet<u32> = function.calls.iter().copied().collect();
        for callee in callees {
            let callee = (callee as usize).checked_sub(imported);
            if let Some(&callee) = callee.and_then(|callee| nodes.get(callee)) {
                graph.add_edge(nodes[caller], callee, ());
            }
        }
    }
    let calls_itself = |number: usize| {
        let own = (imported + number) as u32;
        facts.functions[number].calls.contains(&own)
    };
    let circles = kosaraju_scc(&graph).into_iter();
    let circles = circles.filter(|circle| circle.len() > 1 || calls_itself(circle[0].index()));
    let mut told: Vec<(u64, String)> = circles
        .map(|circle| circle.into_iter().map(NodeIndex::index).collect())
        .filter(|circle: &Vec<usize>| circle.iter().any(|&number| !is_library(facts, number)))
        .map(|circle| tell(facts, circle))
        .collect();
    if told.is_empty() {
        return Vec::new();
    }
    told.sort_by(|one, other| other.cmp(one));
    let what = format!(
        "{} of functions that call each other, with the bytes of shadow stack that one round takes",
        counted(told.len() as u64, "circle", "circles")
    );
    vec![Finding::new(&RECURSION, what).at(told.into_iter().map(|(_, text)| text))]
}

/// The functions of a circle, and the bytes of shadow stack that a round takes.
fn tell(facts: &Facts, mut circle: Vec<usize>) -> (u64, String) {
    circle.sort_unstable();
    let frames = circle
        .iter()
        .filter_map(|&number| facts.functions[number].frame);
    let bytes: u64 = frames.map(u64::from).sum();
    let names: Vec<String> = circle
        .iter()
        .take(NAMED)
        .map(|&number| facts.name(number))
        .collect();
    let more = match circle.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (bytes, format!("{bytes} B: {}{more}", names.join(", ")))
}

/// Whether a function is std's, C's or steadfast's, and for no type of the program: what calls
/// itself there is bounded, or is on its way to a panic.
fn is_library(facts: &Facts, number: usize) -> bool {
    let Some(name) = &facts.functions[number].name else {
        return false;
    };
    is_of_libraries(name)
}

const LIBRARIES: [&str; 6] = ["core", "alloc", "std", "steadfast", "__rustc", "dlmalloc"];

fn is_of_libraries(name: &str) -> bool {
    roots(name).all(|root| LIBRARIES.contains(&root))
}

/// The crates that a name's paths begin with, those of its types too: what drops a chain of the
/// program's values is std's by its own path alone.
fn roots(name: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let paths = name.split(move |c| !is_part(c));
    paths.filter_map(|path| {
        path.split_once("::")
            .map(|(root, _)| root)
            .filter(|root| !root.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::is_of_libraries;

    #[test]
    fn a_function_for_a_type_of_the_program_is_not_a_librarys() {
        for (name, is_library) in [
            ("core::fmt::write", true),
            ("<&alloc::vec::Vec<u8> as core::fmt::Debug>::fmt", true),
            ("alloc::vec::Vec<T,A>::grow", true),
            ("memcpy", true),
            (
                "core::ptr::drop_in_place<alloc::boxed::Box<program::Node>>",
                false,
            ),
            (
                "<alloc::boxed::Box<program::Node> as core::clone::Clone>::clone",
                false,
            ),
            ("<[program::Node]>::sum", false),
            ("program::sum", false),
        ] {
            assert_eq!(is_of_libraries(name), is_library, "{name}");
        }
    }
}
