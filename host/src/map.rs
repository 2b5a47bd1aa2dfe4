//! Where a module's memory goes: its address map, drawn from its plan alone or from the memory of
//! an instance.
//!
//! Everything is read from bytes without calling the guest, and whatever the bytes are.

mod cells;
mod history;
#[cfg(feature = "pictures")]
mod html;
mod model;
#[cfg(feature = "pictures")]
mod over_blocks;
#[cfg(feature = "pictures")]
mod page;
#[cfg(feature = "pictures")]
mod svg;
mod text;

pub use cells::{Cell, CellKind, Strip};
pub use history::Moment;
pub use model::{AgeRow, ClassRow, IndexLoad, MemoryMap, Row, RunRow};
