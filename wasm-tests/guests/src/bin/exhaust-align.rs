//! Asks for an alignment that cannot be had, in the way that aborts.
#![cfg_attr(target_family = "wasm", no_main)]

use std::alloc::{Layout, alloc, handle_alloc_error};

steadfast::plan!();

fn run() {
    let layout = Layout::from_size_align(100, 1 << 17).expect("a power of two");
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc(layout) };
    if block.is_null() {
        handle_alloc_error(layout);
    }
    wasm_test_guests::report(0, block.addr() as u64);
}

wasm_test_guests::entry!(run);
