//! 2 MiB of linear memory in all.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::{Bytes, Plan, Policy};

steadfast::plan!(
    Plan::DEFAULT
        .with_c_heap(Bytes::ZERO)
        .with_region_base(Bytes::kib(256))
        .with_region_max(Bytes::kib((2 << 10) - 256))
        // An output of the block with its key.
        .with_expected_entry(76)
        .with_policy(Policy::Exact)
);

bench_cache_guests::exports!(steadfast::Cache);
