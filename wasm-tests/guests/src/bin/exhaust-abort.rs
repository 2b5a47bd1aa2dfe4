//! Asks for more than the budget in the way that aborts.
#![cfg_attr(target_family = "wasm", no_main)]

steadfast::plan!();

fn run() {
    let held = vec![1_u8; 3_000_000];
    let more = vec![2_u8; 300_000_000];
    wasm_test_guests::report(0, u64::from(held[7]) + u64::from(more[7]));
}

wasm_test_guests::entry!(run);
