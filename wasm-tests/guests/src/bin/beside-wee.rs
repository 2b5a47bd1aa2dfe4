//! Keeps wee_alloc as its allocator, beside the region.
#![cfg_attr(target_family = "wasm", no_main)]

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: wee_alloc::WeeAlloc = wee_alloc::WeeAlloc::INIT;

use wasm_test_guests::{exercise_cache, report};

fn run() {
    let grant = steadfast::reserve();
    report(10, u64::from(grant.region.start));
    report(11, u64::from(grant.region.len));
    report(12, grant.outcome as u64);
    exercise_cache(0);
    // The module's own allocator goes on past the region.
    report(
        13,
        vec![3_u8; 5_000_000]
            .iter()
            .map(|byte| u64::from(*byte))
            .sum(),
    );
}

wasm_test_guests::entry!(run);
