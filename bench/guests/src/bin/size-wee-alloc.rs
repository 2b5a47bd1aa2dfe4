//! Four exports over the crate `wee_alloc`.
#![cfg_attr(target_family = "wasm", no_main)]

#[cfg(target_family = "wasm")]
#[path = "../../../heap-guests/src/allocator/wee_alloc.rs"]
mod allocator;

use bench_guests as _;

#[cfg(not(target_family = "wasm"))]
fn main() {}
