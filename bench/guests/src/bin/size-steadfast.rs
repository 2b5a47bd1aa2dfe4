//! Four exports over steadfast.
#![cfg_attr(target_family = "wasm", no_main)]

use bench_guests as _;

steadfast::plan!();

#[cfg(not(target_family = "wasm"))]
fn main() {}
