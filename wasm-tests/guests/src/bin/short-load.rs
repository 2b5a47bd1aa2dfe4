//! Stores a value, and at the next height asks the host to write it into a buffer that is shorter.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::metashrew::host_interface::{flush, input, load};
use wasm_test_guests::report;

steadfast::plan!();

const KEY: &[u8] = b"key";

fn load_into_a_short_buffer() {
    let input = input();
    if input[0] == 1 {
        flush([(KEY, &[0xAA; 600][..])].into_iter());
        return;
    }
    let mut block = vec![0; 1200];
    let (short, neighbours) = block.split_at_mut(2);
    load(KEY, short);
    let written = neighbours.iter().filter(|byte| **byte != 0).count();
    report(0, written as u64);
    flush([].into_iter());
}

wasm_test_guests::entry!(load_into_a_short_buffer);
