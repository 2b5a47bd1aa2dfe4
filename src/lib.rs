//! Deterministic linear memory for WebAssembly indexers.
#![no_std]
extern crate alloc;

#[cfg(feature = "metashrew")]
pub mod metashrew;
