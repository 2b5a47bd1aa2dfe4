//! The seam to the platform: linear memory's size and growth, and nothing else.

pub mod host;
#[cfg(not(target_family = "wasm"))]
#[path = "memory/native.rs"]
pub(crate) mod platform;
#[cfg(target_family = "wasm")]
#[path = "memory/wasm.rs"]
pub(crate) mod platform;
pub(crate) mod scan;

#[doc(hidden)]
pub use platform::last_words;

use crate::units::Pages;

/// Linear memory as an allocator sees it.
pub trait Memory {
    /// How many pages exist now.
    fn size(&self) -> Pages;

    /// Asks for `by` more pages, once. Answers the size before, or `None` when the host refuses.
    fn grow(&mut self, by: Pages) -> Option<Pages>;
}

/// Where the module's own contents end, as its linker placed them: absolute addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticEnd {
    /// One past static data and the shadow stack (`__heap_base`).
    pub contents: u32,
    /// One past the declared initial memory (`__heap_end`).
    pub initial_memory: u32,
}
