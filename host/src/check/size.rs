//! What the code is for.

use super::facts::Facts;
use super::{Finding, Level, Rule};

pub const RULES: &[&Rule] = &[&CODE_SIZE];

const CODE_SIZE: Rule = Rule {
    id: "code-size",
    level: Level::Note,
    advice: "for small modules: opt-level = \"z\", lto = \"fat\", panic = \"abort\", and no formatting in panics",
};

/// Parts by what a function's name has in it; the first that fits counts.
const PARTS: [(&str, &[&str]); 4] = [
    ("steadfast", &["steadfast::"]),
    (
        "panics",
        &[
            "panic",
            "rust_begin_unwind",
            "unwrap_failed",
            "slice_index_fail",
        ],
    ),
    ("formatting", &["core::fmt", "alloc::fmt"]),
    (
        "std",
        &["core::", "alloc::", "std::", "compiler_builtins", "__rust"],
    ),
];

pub fn look(facts: &Facts) -> Vec<Finding> {
    if !facts.has_names {
        return Vec::new();
    }
    let mut bytes = [0; PARTS.len()];
    let mut rest = 0;
    for function in &facts.functions {
        let name = function.name.as_deref().unwrap_or_default();
        let part = PARTS
            .iter()
            .position(|(_, parts)| parts.iter().any(|part| name.contains(part)));
        match part {
            Some(part) => bytes[part] += function.bytes,
            None => rest += function.bytes,
        }
    }
    let all = rest + bytes.iter().sum::<usize>();
    let parts = PARTS.iter().zip(bytes);
    let parts = parts.map(|((name, _), bytes)| format!("{name} {bytes}"));
    let parts = parts.collect::<Vec<_>>().join(", ");
    let what = format!("{all} bytes of code: {parts}, the rest {rest}");
    vec![Finding::new(&CODE_SIZE, what)]
}
