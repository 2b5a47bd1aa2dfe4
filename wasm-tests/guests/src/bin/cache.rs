//! Uses the cache as an indexer would.
#![cfg_attr(target_family = "wasm", no_main)]

steadfast::plan!();

fn run() {
    wasm_test_guests::exercise_cache(0);
}

wasm_test_guests::entry!(run);
