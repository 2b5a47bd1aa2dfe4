//! Up to 1.5 GiB, as the host limits it.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::{Bytes, Plan};

steadfast::plan!(
    Plan::DEFAULT
        .with_c_heap(Bytes::kib(64))
        .with_region_base(Bytes::kib(320))
        .with_region_max(Bytes::mib(1536))
);

bench_cache_guests::exports!(steadfast::Cache);
