//! A block that writes many entries, and a view that reads ten of them, as metashrew's are written.
#![cfg_attr(target_family = "wasm", no_main)]

use std::sync::Arc;

use steadfast::metashrew::{
    clear_view_cache, export_bytes, flush, get, input, set, set_view_for_height,
};

steadfast::plan!();

const READS: u32 = 10;
const VALUE_BYTES: usize = 40;

fn key(number: u32) -> Arc<Vec<u8>> {
    Arc::new(number.to_le_bytes().to_vec())
}

/// The two numbers that the input begins with: the height, and how many entries there are.
fn numbers(input: &[u8]) -> [u32; 2] {
    [0, 4].map(|at| u32::from_le_bytes(*input[at..].first_chunk().expect("four bytes")))
}

/// Writes the entries.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn _start() {
    let [_, entries] = numbers(&input());
    for number in 0..entries {
        let mut value = number.to_le_bytes().to_vec();
        value.resize(VALUE_BYTES, 1);
        set(key(number), Arc::new(value));
    }
    flush();
}

/// Reads ten entries from all over, and answers the sum of their numbers.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn ten() -> i32 {
    let [height, entries] = numbers(&input());
    set_view_for_height(height);
    let values = (0..READS).map(|step| get(key(step * (entries / READS))));
    let sum: u32 = values
        .map(|value| u32::from_le_bytes(*value.first_chunk().expect("it is there")))
        .sum();
    clear_view_cache();
    export_bytes(sum.to_le_bytes().to_vec())
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    _start();
    ten();
}
