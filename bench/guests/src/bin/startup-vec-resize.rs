//! Starts as a guest cache that preallocates by `Vec::resize` does.
#![cfg_attr(target_family = "wasm", no_main)]

use std::hint::black_box;

#[expect(clippy::slow_vector_initialization, reason = "what is measured")]
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
extern "C" fn _start() {
    let mut preallocated: Vec<u8> = Vec::new();
    preallocated.resize(black_box(1 << 30), 0);
    black_box(&preallocated);
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    _start();
}
