//! WASI preview 1: what an indexer sees of the world. The feature `wasi` has it, through
//! `wasmtime-wasi`; without it, a module that imports WASI is refused.

#[cfg(not(feature = "wasi"))]
mod absent;
#[cfg(feature = "wasi")]
mod command;
#[cfg(feature = "wasi")]
mod lines;
#[cfg(feature = "wasi")]
pub(crate) mod poll;
#[cfg(feature = "wasi")]
mod world;

#[cfg(not(feature = "wasi"))]
use self::absent as world;

#[cfg(feature = "wasi")]
pub use self::command::CommandWorld;
#[cfg(feature = "verify")]
pub(crate) use self::world::NOTED;
pub use self::world::WorldError;
pub(crate) use self::world::{IS_THERE, World, add_to_linker, exit_status};

/// The module under which WASI preview 1 is imported.
pub const MODULE: &str = "wasi_snapshot_preview1";

/// The directory in which a guest finds its input.
pub const INPUT_DIRECTORY: &str = "/input";

/// The file in [`INPUT_DIRECTORY`] that holds the height (a little-endian `u32`) and the block.
pub const INPUT_FILE: &str = "block";
