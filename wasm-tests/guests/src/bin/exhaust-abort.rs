//! Asks for more than the budget: in a way that it handles, and then in the way that aborts.
#![cfg_attr(target_family = "wasm", no_main)]

steadfast::plan!();

fn run() {
    let held = vec![1_u8; 3_000_000];
    assert!(Vec::<u8>::new().try_reserve(400_000_000).is_err());
    let more = vec![2_u8; 300_000_000];
    wasm_test_guests::report(0, u64::from(held[7]) + u64::from(more[7]));
}

wasm_test_guests::entry!(run);
