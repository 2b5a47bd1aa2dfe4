//! Keeps std's allocator, beside the region.
#![cfg_attr(target_family = "wasm", no_main)]

wasm_test_guests::entry!(wasm_test_guests::live_beside);
