//! Declares the maximum that `src/lib.rs` names for the memory of the test modules.

use std::env;

include!("src/maximum.rs");

fn main() {
    println!("cargo::rerun-if-changed=src/maximum.rs");
    if env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-tests=--max-memory={MAXIMUM_BYTES}");
    }
}
