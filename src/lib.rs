//! Deterministic linear memory for WebAssembly indexers.
//!
//! The direction of imports, right from left:
//!
//! ```text
//! units <- memory
//! units <- plan <- probe <- record <- reserve
//! memory <- exclusive <- record
//! memory <- probe
//! heap <- global
//! reserve <- global
//! ```
#![no_std]

extern crate alloc;

pub mod exclusive;
pub mod global;
pub mod heap;
pub mod memory;
pub mod plan;
pub mod probe;
pub mod record;
pub mod reserve;
pub mod units;

pub use global::Global;
#[doc(hidden)]
pub use global::c as __c;
pub use plan::{Plan, Policy};
pub use probe::{Grant, RegionOutcome};
pub use reserve::{granted, on_refusal, reserve, reserve_with};
pub use units::{Bytes, Pages};
