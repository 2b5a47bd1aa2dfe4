//! Lives in 40 MiB in all.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::{Bytes, Plan};

steadfast::plan!(
    Plan::DEFAULT
        .with_region_base(Bytes::mib(24))
        .with_region_max(Bytes::mib(16))
        .with_c_heap(Bytes::kib(512))
);

fn run() {
    wasm_test_guests::exercise_cache(0);
}

wasm_test_guests::entry!(run);
