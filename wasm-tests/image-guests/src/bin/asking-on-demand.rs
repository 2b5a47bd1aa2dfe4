//! The same, with a region that begins small.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::{Bytes, Plan, Policy};

steadfast::plan!(
    Plan::DEFAULT
        .with_region_max(Bytes::mib(8))
        .with_policy(Policy::OnDemand {
            step: Bytes::kib(64)
        })
);

wasm_test_guests::entry!(image_guests::index_block);
