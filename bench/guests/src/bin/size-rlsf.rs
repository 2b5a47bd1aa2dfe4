//! Four exports over the crate `rlsf`.
#![cfg_attr(target_family = "wasm", no_main)]

#[cfg(target_family = "wasm")]
#[path = "../../../heap-guests/src/allocator/rlsf.rs"]
mod allocator;

use bench_guests as _;

#[cfg(not(target_family = "wasm"))]
fn main() {}
