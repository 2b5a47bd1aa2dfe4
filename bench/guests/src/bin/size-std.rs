//! Four exports over std's allocator.
#![cfg_attr(target_family = "wasm", no_main)]

use bench_guests as _;

#[cfg(not(target_family = "wasm"))]
fn main() {}
