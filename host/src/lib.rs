//! Runs WebAssembly indexer modules under any memory that a host grants, and reports what they did
//! with it.
//!
//! A [`Runner`] holds a compiled module and a [`RunConfig`]: a ceiling on linear memory, scripted
//! refusals of `memory.grow`, memory grown beforehand, a limit on the cache. It indexes an
//! [`Input`] into a [`State`], in a fresh instance for every block, with metashrew's imports and
//! WASI preview 1, and answers a [`BlockReport`].
//!
//! ```text
//! ceiling, digest, engine, input, limits, plot, state <- trace
//!   <- image <- metashrew <- context <- wasi <- guest, proposal
//!   <- observe, report, share, trap <- run, exec, prometheus <- table <- map, size
//! ```

#![deny(unsafe_code)]

pub mod ceiling;
pub mod config;
mod context;
mod digest;
pub mod engine;
pub mod exec;
pub mod guest;
pub mod image;
pub mod input;
pub mod limits;
pub mod map;
pub mod metashrew;
pub mod observe;
pub mod plot;
pub mod prometheus;
mod proposal;
pub mod report;
pub mod run;
pub mod share;
pub mod size;
pub mod state;
pub mod table;
pub mod trace;
pub mod trap;
pub mod verify;
pub mod wasi;

pub use config::RunConfig;
pub use digest::Digest;
pub use engine::{Compiler, engine};
pub use exec::{ExecError, exec};
pub use guest::{DeclaredMemory, Guest, LoadError};
pub use image::{BlockTag, Chain, Compression, ImageError, ImageExchange, RegionImage};
pub use input::{Input, InputError};
pub use limits::{GrowRefused, Grows, OnRefusal};
pub use map::MemoryMap;
pub use observe::{CacheUse, HeapTrace, HeapUse, Observed, Span, find_record};
pub use report::{BlockReport, PlanReport, Report};
pub use run::{Finished, Runner, View};
pub use share::SharedImage;
pub use state::{
    MemoryState, Pair, RedbState, Snapshot, State, StateError, StateHasher, state_digest,
};
pub use table::Table;
pub use trap::{RunError, Stack};
pub use wasi::{CommandWorld, INPUT_DIRECTORY, INPUT_FILE, Output, Printed, WorldError};

/// The examples of the page for embedders compile, and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
struct Embedding;
