//! Collapsed stacks: a line for each, as `flamegraph.pl`, inferno and speedscope read them.

use std::fmt::Write as _;

use crate::profile::stacks::Stacks;

/// A column as collapsed stacks: the functions, outermost first, with `;` between them, a space and
/// the value.
#[must_use]
pub fn collapsed(stacks: &Stacks, column: usize) -> String {
    let mut lines = String::new();
    for (names, value) in stacks.by_name(column) {
        let names: Vec<String> = names.iter().map(|name| name.replace(';', ",")).collect();
        let names = match names.is_empty() {
            true => "(no stack)".to_string(),
            false => names.join(";"),
        };
        let _ = writeln!(lines, "{names} {value}");
    }
    lines
}
