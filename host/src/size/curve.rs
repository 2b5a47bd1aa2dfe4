//! The hit ratio by the region's capacity.

use std::collections::BTreeSet;

use serde::Serialize;
use steadfast::region::{Geometry, WAYS};

use super::recency::{Depth, Recency};
use crate::trace::{Operation, Trace};

/// Capacities are told apart by this many bytes.
pub const STEP_BYTES: u64 = 4 << 10;
/// The largest capacity that is looked at.
const MAX_BYTES: u64 = (4 << 30) - STEP_BYTES;

/// The hit ratio at one capacity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Bytes of the region.
    pub capacity: u64,
    /// Lookups that find their key, of all lookups.
    pub hit_ratio: f64,
}

/// How a real cache differs from the strict order of recency, as runs have shown it: an entry's place is not always as large as
/// the entry, and where a bucket of the index is full or a large value needs a window, others than the oldest are evicted.
#[derive(Clone, Debug, Default)]
struct Calibration {
    /// The capacity from which on nothing is evicted.
    everything: Option<u64>,
    /// Capacities, ascending, and the share of each that a cache in strict order needs for the same hits.
    shares: Vec<(u64, f64)>,
}

impl Calibration {
    /// The share at a capacity: between two that are known, on the line through them.
    fn share(&self, capacity: u64) -> f64 {
        let after = self.shares.partition_point(|&(known, _)| known < capacity);
        let before = after.checked_sub(1).and_then(|at| self.shares.get(at));
        match (before, self.shares.get(after)) {
            (Some(&(low, from)), Some(&(high, to))) => {
                let way = (capacity - low) as f64 / (high - low) as f64;
                from + (to - from) * way
            }
            (Some(&(_, share)), None) | (None, Some(&(_, share))) => share,
            (None, None) => 1.0,
        }
    }
}

/// The hit ratio of every capacity. Exact for a cache that always drops the entry used least recently; calibrated for ours.
#[derive(Clone, Debug)]
pub struct Curve {
    lookups: u64,
    /// The least capacity at which a cache in strict order finds each lookup's key, ascending; lookups that none serves are left
    /// out.
    needed: Vec<u64>,
    calibration: Calibration,
}

impl Curve {
    /// The curve of a recorded run, as a plan with that expected entry has it. Takes n log n steps for n operations.
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
        Curve {
            lookups,
            needed,
            calibration: Calibration::default(),
        }
    }

    /// Corrects the curve by a run: what part of its lookups hit, with a region of so many bytes.
    pub(super) fn learn(&mut self, run: Point) {
        if run.hit_ratio <= 0.0 {
            return;
        }
        let share = self.strict_capacity(run.hit_ratio) as f64 / run.capacity as f64;
        let shares = &mut self.calibration.shares;
        let at = shares.partition_point(|known| known.0 < run.capacity);
        if shares.get(at).is_none_or(|known| known.0 > run.capacity) {
            shares.insert(at, (run.capacity, share));
        }
    }

    /// Notes the capacity from which on nothing is evicted.
    pub(super) fn holds_everything_from(&mut self, capacity: u64) {
        self.calibration.everything = Some(capacity);
    }

    /// Lookups.
    pub fn lookups(&self) -> u64 {
        self.lookups
    }

    /// The hit ratio of a region of so many bytes.
    pub fn at(&self, capacity: u64) -> Point {
        let strict = match self.calibration.everything {
            Some(everything) if capacity >= everything => u64::MAX,
            _ => (capacity as f64 * self.calibration.share(capacity)) as u64,
        };
        Point {
            capacity,
            hit_ratio: self.strict_hits(strict) as f64 / self.lookups.max(1) as f64,
        }
    }

    fn strict_hits(&self, capacity: u64) -> usize {
        self.needed.partition_point(|&needed| needed <= capacity)
    }

    /// The capacity at which a cache in strict order has this hit ratio.
    fn strict_capacity(&self, hit_ratio: f64) -> u64 {
        let hits = (hit_ratio * self.lookups as f64).round() as usize;
        let last = hits.min(self.needed.len()).checked_sub(1);
        last.map_or(STEP_BYTES, |at| self.needed[at])
    }

    /// The hit ratio that no larger region betters, at the least capacity that has it.
    pub fn best(&self) -> Point {
        let strict = self.needed.last().copied().unwrap_or(STEP_BYTES);
        Point {
            capacity: self.calibration.everything.unwrap_or(strict),
            hit_ratio: self.needed.len() as f64 / self.lookups.max(1) as f64,
        }
    }

    /// The least capacity whose hit ratio is within `points` hundredths of the best.
    pub fn within(&self, points: f64) -> Point {
        let best = self.best();
        let serves =
            |steps: u64| self.at(steps * STEP_BYTES).hit_ratio >= best.hit_ratio - points / 100.0;
        let (mut low, mut high) = (0, best.capacity.div_ceil(STEP_BYTES));
        while high - low > 1 {
            let middle = u64::midpoint(low, high);
            if serves(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        self.at(high * STEP_BYTES)
    }

    /// So many capacities, from one that serves few lookups to the least that serves most, evenly apart on a logarithmic scale; the
    /// recommended one is among them.
    pub fn points(&self, count: usize) -> Vec<Point> {
        let best = self.best();
        let low = self.within(97.0 * best.hit_ratio).capacity / 4 * 3;
        let low = low.max(16 * STEP_BYTES);
        let high = best.capacity.max(low);
        let recommended = self.within(1.0).capacity;
        let spread = |steps: usize| -> BTreeSet<u64> {
            let ratio = (high as f64 / low as f64).powf(1.0 / steps as f64);
            (0..=steps)
                .map(|step| low as f64 * ratio.powf(step as f64))
                .map(|capacity| (capacity as u64).next_multiple_of(STEP_BYTES))
                .chain([recommended])
                .collect()
        };
        // One more where the recommended capacity is one of them anyway.
        let fewer = spread(count.saturating_sub(2).max(1));
        let capacities = if fewer.len() < count {
            spread(count.saturating_sub(1).max(1))
        } else {
            fewer
        };
        capacities
            .into_iter()
            .map(|capacity| self.at(capacity))
            .collect()
    }
}

/// The least capacity that holds so much.
fn capacity_for(depth: Depth, expected_entry: u32) -> Option<u64> {
    let holds = |steps: u64| {
        let capacity = u32::try_from(steps * STEP_BYTES).unwrap_or(u32::MAX);
        Geometry::new(capacity, expected_entry).is_some_and(|geometry| {
            let slots = u64::from(geometry.max_buckets()) * WAYS as u64;
            u64::from(capacity - geometry.arena_start) >= depth.bytes && slots >= depth.entries
        })
    };
    let (mut low, mut high) = (0, MAX_BYTES / STEP_BYTES);
    if !holds(high) {
        return None;
    }
    while high - low > 1 {
        let middle = u64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high * STEP_BYTES)
}
