//! Panics, and has the host's log told.
#![cfg_attr(target_family = "wasm", no_main)]

use wasm_test_guests::number;

steadfast::plan!();

fn run() {
    steadfast::metashrew::log_panics();
    let zero = number("ZERO", 0);
    assert!(zero > 0, "the divisor is {zero}");
    wasm_test_guests::report(0, 100 / zero);
}

wasm_test_guests::entry!(run);
