//! 64 MiB of linear memory in all.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::{Bytes, Plan, Policy};

steadfast::plan!(
    Plan::DEFAULT
        .with_c_heap(Bytes::kib(64))
        .with_region_base(Bytes::kib(320))
        .with_region_max(Bytes::kib((64 << 10) - 320))
        .with_policy(Policy::Exact)
);

bench_cache_guests::exports!(steadfast::Cache);
