//! Holds four buffers of 43 MB at once, as nested contracts of a production indexer do.
#![cfg_attr(target_family = "wasm", no_main)]

use std::hint::black_box;
use std::sync::Arc;

use steadfast::metashrew::{flush, input, set};

steadfast::plan!(steadfast::Plan::METASHREW);

/// Bytes of one buffer.
const BYTES: usize = 43_554_432;

fn call(depth: u32) -> usize {
    let memory = black_box(vec![1_u8; BYTES]);
    let nested = if depth > 1 { call(depth - 1) } else { 0 };
    black_box(memory).len() + nested
}

fn run() {
    let _ = input();
    let total = call(4).to_le_bytes().to_vec();
    set(Arc::new(b"/nested".to_vec()), Arc::new(total));
    flush();
}

wasm_test_guests::entry!(run);
