//! Runs WebAssembly indexer modules under any memory that a host grants, and reports what they did
//! with it.
//!
//! A [`Runner`] holds a compiled module and a [`RunConfig`]: a ceiling on linear memory, scripted
//! refusals of `memory.grow`, memory grown beforehand, a limit on the cache. It indexes an
//! [`Input`] into a [`State`], in a fresh instance for every block, with metashrew's imports and
//! WASI preview 1, and answers a [`BlockReport`].
//!
//! # Features
//!
//! `cli` and `verify` are on by default. An embedder turns the default features off: what is left
//! compiles modules with wasmtime's Cranelift, runs them, and keeps and shares images.
//!
//! | feature | adds |
//! |---|---|
//! | `wasi` | plain commands of WASI preview 1, which see this machine: `exec` |
//! | `redb` | a state in a file: `RedbState` |
//! | `pictures` | `plot`, `size::draw`, `size::curve_svg`, and the map as SVG and HTML |
//! | `check` | `check`: what can be told of a module without running it |
//! | `profile` | `profile`: who holds a module's heap, and where its time goes |
//! | `verify` | `verify`, with the engines beside Cranelift |
//! | `cli` | the command `steadfast`, with all of them but `verify` |

#![deny(unsafe_code)]

pub mod bounds;
pub mod carried;
pub mod ceiling;
#[cfg(feature = "check")]
pub mod check;
pub mod config;
mod context;
pub mod core_dump;
mod deadline;
mod digest;
pub mod engine;
pub mod exchange;
#[cfg(feature = "wasi")]
pub mod exec;
pub mod file;
pub mod guest;
mod guest_info;
mod heap_marks;
pub mod held;
pub mod image;
pub mod input;
pub mod instance_stats;
pub mod limits;
mod load_error;
mod lookups;
pub mod map;
mod mappings;
pub mod metashrew;
pub mod outline;
pub mod output;
mod page_file;
#[cfg(feature = "pictures")]
pub mod plot;
mod process_memory;
#[cfg(feature = "profile")]
pub mod profile;
pub mod prometheus;
mod proposal;
pub mod report;
mod requirements;
pub mod run;
pub mod scratch;
pub mod share;
pub mod shared_cache;
pub mod size;
pub mod state;
pub mod table;
pub mod text;
mod thread_stack;
pub mod trace;
pub mod trap;
#[cfg(feature = "verify")]
pub mod verify;
pub mod wasi;

pub use bounds::{Bound, Bounds, Exceeded};
pub use carried::Carried;
pub use config::RunConfig;
pub use core_dump::{CoreDump, CoreDumps};
pub use digest::{Digest, display_hash};
pub use engine::{Compiler, engine};
pub use exchange::ImageExchange;
#[cfg(feature = "wasi")]
pub use exec::{ExecError, exec};
pub use guest::{DeclaredMemory, Guest, LoadError};
pub use guest_info::GuestInfo;
pub use heap_marks::HeapMarks;
pub use held::{HeldRegion, OwnPages};
pub use image::{
    AsOf, BlockTag, Chain, Compression, ImageClaim, ImageError, Origin, RegionImage, module_digest,
    module_tag,
};
pub use input::{Input, InputError, Inputs, Mark, parse_height};
pub use instance_stats::{
    AddressRange, HeapTrace, HeapUse, InstanceStats, figures, find_instance_info,
};
pub use limits::{GrowRefused, Grows, OnRefusal};
pub use map::MemoryMap;
pub use process_memory::ProcessMemory;
/// The figures of a cache.
#[deprecated(since = "0.3.0", note = "named `Stats`, in the crate `steadfast`")]
pub type CacheUse = steadfast::format::Stats;
pub use outline::Outline;
pub use output::{Output, Printed};
pub use report::{BlockReport, PlanReport, Report};
pub use run::{Finished, Runner, View};
pub use share::SharedImage;
pub use shared_cache::{CacheSnapshot, SharedCache};
#[cfg(feature = "redb")]
pub use state::{CheckedDatabase, RedbState};
pub use state::{
    FullDigest, MemoryState, Pair, Position, Snapshot, State, StateError, StateHasher, Tip,
    state_digest,
};
pub use table::Table;
pub use trap::{RunError, Said, Stack};
#[cfg(feature = "wasi")]
pub use wasi::CommandWorld;
pub use wasi::{INPUT_DIRECTORY, INPUT_FILE};

/// The examples of the page for embedders compile, and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
