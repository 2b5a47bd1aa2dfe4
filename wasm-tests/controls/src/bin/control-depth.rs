//! Calls itself so deep that the stack which wasmtime gives by default is enough, and half of it is
//! not.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

use std::hint::black_box;

const DEPTH: u32 = 6000;

#[inline(never)]
fn sum(depth: u32) -> u32 {
    match black_box(depth) {
        0 => 0,
        depth => sum(depth - 1).rotate_left(3) ^ depth,
    }
}

fn run() {
    control_guests::store(b"sum", &sum(DEPTH).to_le_bytes());
}

control_guests::entry!(run);
