//! `quick_cache` on std's allocator.
#![cfg_attr(target_family = "wasm", no_main)]

bench_cache_guests::exports!(bench_cache_guests::peers::QuickCache);
