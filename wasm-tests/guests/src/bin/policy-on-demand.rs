//! The cache under a region that grows while the cache fills.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::{Bytes, Plan, Policy};

steadfast::plan!(
    Plan::DEFAULT
        .with_region_max(Bytes::mib(8))
        .with_policy(Policy::OnDemand {
            step: Bytes::kib(256)
        })
);

fn run() {
    wasm_test_guests::exercise_cache(0);
}

wasm_test_guests::entry!(run);
