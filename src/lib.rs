//! Deterministic linear memory for WebAssembly indexers: a global allocator with a fixed budget, and above it, at a fixed
//! address, a byte-bounded LRU cache.
//!
//! ```
//! use steadfast::{Bytes, Plan};
//!
//! // The allocator of the module, its budget, and the region for the cache.
//! steadfast::plan!(Plan::DEFAULT.with_region_max(Bytes::mib(64)));
//!
//! fn main() {
//!     let mut cache = steadfast::open_cache().expect("opened once");
//!     if cache.get(b"tip").is_none() {
//!         // What does not fit costs speed and nothing else.
//!         let _ = cache.insert(b"tip", b"849236");
//!     }
//! }
//! ```
//!
//! # Features
//!
//! `trace`, `metashrew`, `image`, `log`, `std` and `c`, none of them on by default. The README's table tells what each adds.
//!
//! # The direction of imports
//!
//! Right may import left:
//!
//! ```text
//! units <- memory <- exclusive <- memory/native
//! line <- reserve, metashrew
//! memory <- heap
//! units <- plan <- probe <- record <- reserve
//! memory <- probe
//! exclusive <- record
//! heap <- global
//! reserve <- global
//! reserve <- region <- cache
//! exclusive <- metashrew
//! cache <- metashrew
//! ```
//!
//! `heap` and `cache` never import each other. `memory/native` stands in for linear memory in native processes.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod cache;
pub mod exclusive;
pub mod global;
pub mod heap;
mod line;
pub mod memory;
#[cfg(feature = "metashrew")]
pub mod metashrew;
pub mod plan;
pub mod probe;
pub mod record;
pub mod region;
pub mod reserve;
pub mod units;

pub use cache::{Cache, open_cache};
pub use global::Global;
#[doc(hidden)]
pub use global::c as __c;
#[cfg(not(feature = "metashrew"))]
#[doc(hidden)]
pub use memory::last_words as __voice;
#[cfg(feature = "metashrew")]
#[doc(hidden)]
pub use metashrew::last_words as __voice;
pub use plan::{EncodedPlan, Plan, Policy};
pub use probe::{Grant, RegionOutcome};
pub use reserve::{granted, on_refusal, reserve, reserve_heap, reserve_with};
pub use units::{Bytes, Pages};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
