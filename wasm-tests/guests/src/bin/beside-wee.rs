//! Keeps wee_alloc as its allocator, beside the region.
#![cfg_attr(target_family = "wasm", no_main)]

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: wee_alloc::WeeAlloc = wee_alloc::WeeAlloc::INIT;

wasm_test_guests::entry!(wasm_test_guests::live_beside);
