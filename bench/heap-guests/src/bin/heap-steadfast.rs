//! The workloads over this allocator.
#![cfg_attr(target_family = "wasm", no_main)]

#[cfg(target_family = "wasm")]
#[path = "../allocator/steadfast.rs"]
mod allocator;

use bench_heap_guests as _;

#[cfg(not(target_family = "wasm"))]
fn main() {}
