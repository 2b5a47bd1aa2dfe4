//! `hashbrown` as the index of one buffer, on std's allocator.
#![cfg_attr(target_family = "wasm", no_main)]

bench_cache_guests::exports!(bench_cache_guests::HashbrownIndex);
