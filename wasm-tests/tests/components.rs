//! A command that was made a component: its adapter keeps its state in C's part, and nothing moves.

use std::fs;

use wasm_tests::component::Compiled;
use wasm_tests::{TARGETS, path};

/// The adapter has 64 KiB for what its host tells it.
#[test]
fn a_command_that_is_made_a_component_runs_and_moves_nothing() {
    let component = path(TARGETS[0], "component").with_extension("component.wasm");
    let component = fs::read(component).expect("`cargo xtask guests` made it");
    Compiled::new(&component)
        .unwrap()
        .nothing_moves(&[0, 1, 1000, 50_000]);
}
