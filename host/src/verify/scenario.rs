//! What a host does to the instances of one run.

use std::num::NonZeroU32;
use std::time::Duration;

use super::axis::{Axis, bytes};
use crate::ceiling::{MAX_CEILING, PAGE_BYTES};

/// Time that a block may take where nobody says otherwise: an interpreter takes a hundred times as
/// long as wasmtime.
pub(super) const TIMEOUT: Duration = Duration::from_secs(120);

/// The variable that no module reads.
pub(super) const UNREAD_VARIABLE: &str = "STEADFAST_VERIFY_UNREAD";

/// In which instances the blocks are indexed, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sequence {
    /// Each in a fresh instance, one after the other.
    #[default]
    Fresh,
    /// All in one instance.
    Kept,
    /// As [`Fresh`](Self::Fresh); but after the second block, and after the last, the chain goes
    /// back to the first, and the others follow again.
    GoesBack,
}

/// What a host does to the instances of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Bytes of memory at the most.
    pub ceiling: u64,
    /// Pages to which the host grows the memory before the start.
    pub pregrow: Option<u64>,
    /// The `memory.grow` that is refused, counted from 1.
    pub refuse_grow: Option<u64>,
    /// The limit that the host writes into the module's instance info.
    pub cache: Option<u32>,
    /// What the cache loses entries by, where the host makes it lose them.
    pub forget: Option<NonZeroU32>,
    /// Bytes of a variable in the environment that the module does not read; 0 is none.
    pub environment_bytes: usize,
    /// Each block but the first begins with the cache that the one before left.
    pub warm: bool,
    /// In which instances the blocks are indexed, and in which order.
    pub sequence: Sequence,
    /// Bytes of native stack for the module's calls, where the engine can be told; `None` is the
    /// engine's own limit.
    pub stack: Option<usize>,
    /// Time that each block may take.
    pub timeout: Duration,
    /// The refusal may be that of the heap's budget: then a defined abort is as good as the same
    /// result.
    pub may_refuse_budget: bool,
    /// How it departs from the reference: the axis, and the value's name.
    pub(super) departures: Vec<(Axis, String)>,
}

impl Scenario {
    /// Nothing is refused, and nothing is there that need not be.
    pub fn reference() -> Self {
        Scenario {
            ceiling: MAX_CEILING,
            pregrow: None,
            refuse_grow: None,
            cache: None,
            forget: None,
            environment_bytes: 0,
            warm: false,
            sequence: Sequence::Fresh,
            stack: None,
            timeout: TIMEOUT,
            may_refuse_budget: false,
            departures: Vec::new(),
        }
    }

    /// The same with another value on one axis, of this name.
    pub(super) fn depart(&self, axis: Axis, name: impl Into<String>) -> Self {
        let mut departed = self.clone();
        departed.departures.push((axis, name.into()));
        departed
    }

    /// The same, on an engine that has so many bytes for a module's memory.
    pub(super) fn within(mut self, most: u64) -> Self {
        if self.ceiling > most {
            self.ceiling = most;
            self.departures.retain(|(axis, _)| *axis != Axis::Ceiling);
            self.departures.insert(0, (Axis::Ceiling, bytes(most)));
        }
        self.pregrow = self.pregrow.map(|pages| pages.min(most / PAGE_BYTES));
        self
    }

    /// The axes on which it departs from the reference.
    pub(super) fn axes(&self) -> impl Iterator<Item = Axis> + '_ {
        self.departures.iter().map(|(axis, _)| *axis)
    }

    /// What the table calls it.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.departures[..] {
            [] => bytes(self.ceiling),
            departures => {
                let names: Vec<&str> = departures.iter().map(|(_, name)| &**name).collect();
                names.join(", ")
            }
        }
    }
}
