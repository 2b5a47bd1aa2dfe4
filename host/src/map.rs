//! Where a module's memory goes: its address map, drawn from its plan alone or from the memory of an instance.
//!
//! Everything is read from bytes without calling the guest, and whatever the bytes are.

mod cells;
mod html;
mod model;
mod svg;
mod text;

pub use cells::{Cell, CellKind, Strip};
pub use model::{AgeRow, ClassRow, IndexLoad, MemoryMap, Row, RunRow};
