//! What a module's own cache would do with another capacity: the recorded operations, on the cache's own code.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use steadfast::cache::Cache;
use steadfast::region::{ENTRY_HEADER_BYTES, block_bytes};

use super::curve::{Curve, MAX_BYTES, Point, STEP_BYTES, least};
use crate::image::Buffer;
use crate::trace::{Operation, Trace};

/// By how much a capacity is raised, in hundredths, until all that can hit does.
const ROOM: [u64; 10] = [0, 1, 2, 4, 6, 8, 12, 16, 24, 50];
/// A capacity is taken to serve if one that is smaller by this part of it does.
const MARGIN: u64 = 100;
/// What is lost where an entry is displaced now and then, as a part of the lookups.
const DISPLACED: f64 = 0.001;

/// The hit ratios of a recorded run at other capacities.
///
/// A cache in strict order of recency, which [`Curve`] tells of, is not quite what the module has: a new entry is rarely as large as
/// those that make room for it, and where a bucket of the index is full or a large value needs a window, others than the oldest are
/// evicted. So each capacity that is asked for is tried: the operations are replayed on a cache of that size, in the host's memory.
pub struct Prediction<'a> {
    trace: &'a Trace,
    keys: Vec<&'a [u8]>,
    /// What a value is taken from; its bytes do not matter.
    zeros: Vec<u8>,
    expected_entry: u32,
    strict: Curve,
    /// The hit ratios that are known already.
    known: RefCell<BTreeMap<u64, f64>>,
}

impl<'a> Prediction<'a> {
    /// The prediction for a plan with that expected entry. Takes n log n steps for n operations, and n for each capacity that is asked
    /// for.
    pub fn new(trace: &'a Trace, expected_entry: u32) -> Self {
        let longest = trace.operations().iter().map(|operation| match *operation {
            Operation::LookUp { fill, .. } => fill.unwrap_or(0),
            Operation::Insert { bytes, .. } => bytes,
            Operation::Remove { .. } => 0,
        });
        Prediction {
            trace,
            keys: trace.keys_in_order(),
            zeros: vec![0; longest.max().unwrap_or(0) as usize],
            expected_entry,
            strict: Curve::of(trace, expected_entry),
            known: RefCell::default(),
        }
    }

    /// What a cache in strict order of recency would do.
    pub fn strict(&self) -> &Curve {
        &self.strict
    }

    /// The hit ratio of a region of so many bytes.
    pub fn at(&self, capacity: u64) -> Point {
        let mut known = self.known.borrow_mut();
        let hit_ratio = *known.entry(capacity).or_insert_with(|| {
            let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
            let replay = |cache: &mut Cache| self.hits(cache);
            let hits = Buffer::with_new_cache(capacity, self.expected_entry, replay);
            hits as f64 / self.strict.lookups().max(1) as f64
        });
        Point {
            capacity,
            hit_ratio,
        }
    }

    /// Replays the operations, and counts the lookups that hit.
    fn hits(&self, cache: &mut Cache) -> u64 {
        let mut hits = 0;
        for operation in self.trace.operations() {
            // What does not fit is not stored, as in the module.
            match *operation {
                Operation::LookUp { key, fill } => {
                    let key = self.keys[key];
                    if cache.get(key).is_some() {
                        hits += 1;
                    } else if let Some(bytes) = fill {
                        let _ = cache.insert(key, self.value(key, bytes));
                    }
                }
                Operation::Insert { key, bytes } => {
                    let key = self.keys[key];
                    let _ = cache.insert(key, self.value(key, bytes));
                }
                Operation::Remove { key } => {
                    cache.remove(self.keys[key]);
                }
            }
        }
        hits
    }

    /// A value that takes a block of so many bytes, with that key.
    fn value(&self, key: &[u8], bytes: u32) -> &[u8] {
        let without = block_bytes(key.len(), 0).unwrap_or(ENTRY_HEADER_BYTES);
        &self.zeros[..bytes.saturating_sub(without) as usize]
    }

    /// Whether a capacity has that hit ratio, and one that is a little smaller has it too: where keys come back in turn, the curve is a
    /// cliff, and on its very edge a single entry decides.
    fn serves(&self, capacity: u64, hit_ratio: f64) -> bool {
        let smaller = capacity - capacity / MARGIN;
        [smaller, capacity]
            .iter()
            .all(|&capacity| self.at(capacity).hit_ratio >= hit_ratio)
    }

    /// The hit ratio that no larger region betters, at the least capacity tried that has it.
    pub fn best(&self) -> Point {
        let best = self.strict.best();
        let raised = ROOM.map(|room| best.capacity + best.capacity * room / 100);
        let raised = raised.map(|capacity| capacity.next_multiple_of(STEP_BYTES).min(MAX_BYTES));
        let serves = |capacity: &u64| self.serves(*capacity, best.hit_ratio - DISPLACED);
        let enough = raised.into_iter().find(serves);
        self.at(enough.unwrap_or(raised[raised.len() - 1]))
    }

    /// The least capacity whose hit ratio is within `points` hundredths of the best, and would be with a hundredth less.
    pub fn within(&self, points: f64) -> Point {
        let best = self.best();
        let serves = |steps: u64| self.serves(steps * STEP_BYTES, best.hit_ratio - points / 100.0);
        self.at(least(best.capacity.div_ceil(STEP_BYTES), serves) * STEP_BYTES)
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
