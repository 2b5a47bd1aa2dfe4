//! Deterministic linear memory for WebAssembly indexers: a global allocator with a fixed budget,
//! and above it, at a fixed address, a byte-bounded LRU cache.
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
//! # What to use
//!
//! | you write | you need |
//! |---|---|
//! | a module | [`plan!`]: the allocator, its budget and the region, in one line |
//! | an indexer for metashrew | besides, the feature `metashrew` and its module [`metashrew`](https://docs.rs/steadfast/latest/steadfast/metashrew/) |
//! | a program with a cache | besides, [`open_cache`] and [`Cache`] |
//! | a module that keeps another allocator | [`reserve()`] as the first statement of `_start` |
//! | another plan | [`Plan`]'s builders, or `STEADFAST_*` variables when building |
//!
//! Memory is reserved once, by the first allocation, by [`reserve()`] or by [`open_cache`]: one
//! `memory.grow` for the heap's budget, then up to 13 for the region. If the host refuses the
//! budget, the module stops and says so ([`on_refusal`]). A smaller region, or none, costs speed
//! alone.
//!
//! # Features
//!
//! `trace`, `metashrew`, `image`, `log`, `std` and `c`, none of them on by default. The README's
//! table tells what each adds.
#![no_std]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

pub mod cache;
#[doc(hidden)]
pub mod exclusive;
pub mod format;
#[doc(hidden)]
pub mod global;
#[doc(hidden)]
pub mod heap;
#[doc(hidden)]
pub mod instance_info;
mod lanes;
mod line;
#[doc(hidden)]
pub mod memory;
#[cfg(feature = "metashrew")]
pub mod metashrew;
#[doc(hidden)]
pub mod plan;
#[doc(hidden)]
pub mod probe;
#[doc(hidden)]
pub mod region;
#[doc(hidden)]
pub mod reserve;
#[doc(hidden)]
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
pub use plan::{EncodedPlan, Plan, PlanError, Policy};
pub use probe::{Grant, RegionOutcome, ReserveError};
pub use reserve::{granted, on_refusal, reserve, reserve_heap, reserve_with};
pub use units::{Bytes, Pages};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
