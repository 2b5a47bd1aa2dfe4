//! The hit ratio by the region's capacity.

use serde::Serialize;
use steadfast::format::{Geometry, SLOTS};

use super::recency::{Depth, Recency};
use crate::trace::{Operation, Trace};

/// Capacities are told apart by this many bytes.
pub const STEP_BYTES: u64 = 4 << 10;
/// The largest capacity that is looked at.
pub(super) const MAX_BYTES: u64 = (4 << 30) - STEP_BYTES;

/// The hit ratio at one capacity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Bytes of the region.
    pub capacity: u64,
    /// Lookups that find their key, of all lookups.
    pub hit_ratio: f64,
}

/// The hit ratio of every capacity, of a cache that always drops the entry used least recently:
/// exact.
#[derive(Clone, Debug)]
pub struct Curve {
    lookups: u64,
    /// The least capacity at which a cache in strict order finds each lookup's key, ascending;
    /// lookups that none serves are left out.
    needed: Vec<u64>,
}

impl Curve {
    /// The curve of a recorded run, as a plan with that expected entry has it. Takes n log n steps
    /// for n operations.
    pub fn of(trace: &Trace, expected_entry: u32) -> Self {
        let operations = trace.operations();
        let mut recency = Recency::new(trace.keys(), operations.len());
        let mut lookups = trace.unseen;
        let mut needed = Vec::new();
        for operation in operations {
            match *operation {
                Operation::LookUp { key, fill } => {
                    lookups += 1;
                    let depth = recency.depth(key);
                    needed.extend(depth.and_then(|depth| capacity_for(depth, expected_entry)));
                    recency.look_up(key, fill.map(u64::from));
                }
                Operation::Insert { key, bytes } => recency.insert(key, bytes.into()),
                Operation::Remove { key } => recency.remove(key),
            }
        }
        needed.sort_unstable();
        Curve { lookups, needed }
    }

    /// Lookups.
    pub fn lookups(&self) -> u64 {
        self.lookups
    }

    /// The hit ratio of a region of so many bytes.
    pub fn at(&self, capacity: u64) -> Point {
        let hits = self.needed.partition_point(|&needed| needed <= capacity);
        Point {
            capacity,
            hit_ratio: hits as f64 / self.lookups.max(1) as f64,
        }
    }

    /// The hit ratio that no larger region betters, at the least capacity that has it.
    pub fn best(&self) -> Point {
        self.at(self.needed.last().copied().unwrap_or(STEP_BYTES))
    }
}

/// The least capacity that holds so much.
fn capacity_for(depth: Depth, expected_entry: u32) -> Option<u64> {
    let holds = |steps: u64| {
        let capacity = u32::try_from(steps * STEP_BYTES).unwrap_or(u32::MAX);
        Geometry::new(capacity, expected_entry).is_some_and(|geometry| {
            let slots = u64::from(geometry.max_buckets()) * SLOTS as u64;
            u64::from(capacity - geometry.arena_start) >= depth.bytes && slots >= depth.entries
        })
    };
    let most = MAX_BYTES / STEP_BYTES;
    holds(most).then(|| least(most, holds) * STEP_BYTES)
}

/// The least number above 0 that serves, where `most` does, and with each number all greater ones.
pub fn least(most: u64, serves: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if serves(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}
