//! The cache under the policy off.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::{Plan, Policy};

steadfast::plan!(Plan::DEFAULT.with_policy(Policy::Off));

fn run() {
    wasm_test_guests::exercise_cache(0);
}

wasm_test_guests::entry!(run);
