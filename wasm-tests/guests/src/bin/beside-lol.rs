//! Keeps lol_alloc as its allocator, beside the region.
#![cfg_attr(target_family = "wasm", no_main)]

#[cfg(target_family = "wasm")]
#[global_allocator]
static ALLOCATOR: lol_alloc::AssumeSingleThreaded<lol_alloc::FreeListAllocator> =
    // SAFETY: the module has one thread.
    unsafe { lol_alloc::AssumeSingleThreaded::new(lol_alloc::FreeListAllocator::new()) };

wasm_test_guests::entry!(wasm_test_guests::live_beside);
