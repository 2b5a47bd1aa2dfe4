//! Operations on a [`Heap`](steadfast::heap::Heap), decoded from bytes, and a player that holds
//! each outcome against an oracle.

mod op;
mod player;
mod soak;
mod span;

pub use op::{Op, Ops, seeded};
pub use player::{Player, usage_bytes};
pub use soak::{Soak, soak};
pub use span::{PAGE, Span};
