//! Deterministic linear memory for WebAssembly indexers.
#![no_std]
extern crate alloc;
pub mod heap;
