//! Who holds a module's heap, and where its time goes: figures by call stack, of any module.
//!
//! [`heap`] rewrites the module so that its allocator reports each block to the host, which looks
//! at the stack of calls then. Neither the module's memory nor a number in it changes, so
//! addresses, outputs and the point of exhaustion are those of the module as it is. [`time`] looks
//! at the stack at regular times, and rewrites nothing. [`fuel`] rewrites the module so that each
//! function tells when it begins and ends, and puts down to it the instructions that it ran.
//!
//! ```text
//! functions <- allocator <- instrument
//! functions, call_tree <- symbols <- stacks <- formats, table
//! call_tree, timeline <- recorder <- heap
//! functions <- calls; calls, stacks <- fuel
//! ```

mod allocator;
mod call_tree;
mod calls;
mod formats;
mod fuel;
mod functions;
mod heap;
mod instrument;
mod recorder;
mod stacks;
mod symbols;
mod table;
mod time;
mod timeline;

pub use self::allocator::Role;
pub use self::formats::{collapsed, dhat, firefox, flame_graph, pprof};
pub use self::fuel::{FuelProfile, fuel};
pub use self::heap::{HeapCost, HeapOptions, HeapProfile, LargeRequest, heap};
pub use self::recorder::{Amount, Counts, SHORT_LIVED};
pub use self::stacks::{Column, Share, Stack, Stacks};
pub use self::symbols::Frame;
pub use self::time::{TimeProfile, time};
pub use self::timeline::Timeline;

use crate::guest::LoadError;
use crate::run::OneInstanceError;
use crate::trap::RunError;

/// What to do where a compiler inlined functions of the allocator.
const INLINED_ADVICE: &str = "For exact figures build the module with \
     RUSTFLAGS=\"-C llvm-args=-inline-threshold=0\"; \
     where that still inlines some, with RUSTFLAGS=\"-C opt-level=0\".";

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no block.
    #[error("there is no block to index")]
    NoInput,
    /// A WASI command starts once in an instance.
    #[error("a WASI command starts once in an instance: give it one block")]
    Wasi,
    /// No function of the module is known to allocate.
    #[error(
        "no function of the module is known to allocate: {}",
        match has_names {
            true => format!("the compiler inlined them, or they have other names. {INLINED_ADVICE} Or name one with --allocator NAME=malloc"),
            false => "its functions have no names. Keep the section `name`: build with strip = false".to_string(),
        }
    )]
    NoAllocator {
        /// Whether its functions have names.
        has_names: bool,
    },
    /// A function that was named is not there, or cannot be what it was named for.
    #[error(
        "--allocator {name}: {}; {}",
        match exists {
            true => "the function of this name is imported, or its parameters and results are of other kinds or numbers",
            false => "no function of the module has this name",
        },
        match known.as_slice() {
            [] => "nor does it have another that is known to allocate".to_string(),
            known => format!("the functions of its allocator are {}", known.join(", ")),
        }
    )]
    NotAllocator {
        /// The name.
        name: String,
        /// Whether there is such a function.
        exists: bool,
        /// Functions of the module that are known to allocate or to free.
        known: Vec<String>,
    },
    /// The module cannot be rewritten.
    #[error("{0}")]
    Rewrite(String),
    /// The module cannot be run as configured.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The first block could not be started.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<OneInstanceError> for ProfileError {
    fn from(error: OneInstanceError) -> Self {
        match error {
            OneInstanceError::NoInput => ProfileError::NoInput,
            OneInstanceError::Wasi => ProfileError::Wasi,
            OneInstanceError::Run { error, .. } => ProfileError::Run(error),
        }
    }
}
