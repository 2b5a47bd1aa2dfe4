//! What a module's own cache would do with another capacity: replays the recorded operations on the
//! cache's own code.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use steadfast::cache::{Cache, Stats};
use steadfast::format::{ENTRY_HEADER_BYTES, block_bytes};

use super::curve::{Curve, MAX_BYTES, Point, STEP_BYTES, least};
use crate::image::Buffer;
use crate::trace::{Operation, Trace};

/// By how much a capacity is raised, in hundredths, until all that can hit does.
const ROOM: [u64; 10] = [0, 1, 2, 4, 6, 8, 12, 16, 24, 50];
/// A capacity is taken to serve if one that is smaller by this part of it does.
const MARGIN: u64 = 100;
/// What is lost where an entry is displaced now and then, as a part of the lookups.
const DISPLACED: f64 = 0.001;
/// Capacities that are tried between none and the best of the strict curve, since a real curve may
/// fall with size.
const SCANNED: usize = 16;
/// The least capacity that is looked at.
const LEAST_BYTES: u64 = 16 * STEP_BYTES;
/// How often a replay looks at what the cache holds.
const LOOKS: usize = 64;

/// What a cache did with the recorded operations.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Replay {
    /// Lookups that found their key, of all lookups.
    pub hit_ratio: f64,
    /// The cache's own counters.
    pub stats: Stats,
    /// The most entries that it was seen to hold.
    pub most_entries: u32,
    /// Mean bytes of key and value when it held these.
    pub mean_entry: u32,
}

impl Replay {
    fn look(&mut self, cache: &Cache) {
        let entries = cache.len() as u32;
        if entries > self.most_entries {
            let block = cache.used_bytes() as u64 / u64::from(entries);
            self.most_entries = entries;
            self.mean_entry = (block as u32).saturating_sub(ENTRY_HEADER_BYTES);
        }
    }
}

/// The hit ratios of a recorded run at other capacities.
///
/// A cache in strict order of recency, which [`Curve`] tells of, is not quite what the module has:
/// a new entry is rarely as large as those that make room for it, and where a bucket of the index
/// is full or a large value needs a window, others than the oldest are evicted. So each capacity
/// that is asked for is tried: the operations are replayed on a cache of that size, in the host's
/// memory.
pub struct Prediction<'a> {
    trace: &'a Trace,
    keys: Vec<&'a [u8]>,
    /// What a value is taken from; its bytes do not matter.
    zeros: Vec<u8>,
    expected_entry: u32,
    strict: Curve,
    /// The replays that were made already.
    known: RefCell<BTreeMap<u64, Replay>>,
}

impl<'a> Prediction<'a> {
    /// Hundredths of the hit ratio by which a recommended region may fall short of the best.
    pub const WITHIN: f64 = 1.0;

    /// The prediction for a plan with that expected entry. Takes n log n steps for n operations,
    /// and n for each capacity that is asked for.
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

    /// The trace that is replayed.
    pub fn trace(&self) -> &'a Trace {
        self.trace
    }

    /// The expected entry of the plan that is tried.
    pub fn expected_entry(&self) -> u32 {
        self.expected_entry
    }

    /// The hit ratio of a region of so many bytes.
    pub fn at(&self, capacity: u64) -> Point {
        Point {
            capacity,
            hit_ratio: self.replay(capacity).hit_ratio,
        }
    }

    /// What a region of so many bytes does. Tried once.
    pub fn replay(&self, capacity: u64) -> Replay {
        let mut known = self.known.borrow_mut();
        *known.entry(capacity).or_insert_with(|| {
            let capacity = u32::try_from(capacity).unwrap_or(u32::MAX);
            let replay = |cache: &mut Cache| self.replay_on(cache);
            Buffer::with_new_cache(capacity, self.expected_entry, replay)
        })
    }

    fn replay_on(&self, cache: &mut Cache) -> Replay {
        let mut replay = Replay::default();
        let mut hits = 0_u64;
        let operations = self.trace.operations();
        let between_looks = operations.len().div_ceil(LOOKS).max(1);
        for (number, operation) in operations.iter().enumerate() {
            if number % between_looks == 0 {
                replay.look(cache);
            }
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
        replay.look(cache);
        Replay {
            hit_ratio: hits as f64 / self.strict.lookups().max(1) as f64,
            stats: cache.stats(),
            ..replay
        }
    }

    /// A value that takes a block of so many bytes, with that key.
    fn value(&self, key: &[u8], bytes: u32) -> &[u8] {
        let without = block_bytes(key.len(), 0).unwrap_or(ENTRY_HEADER_BYTES);
        &self.zeros[..bytes.saturating_sub(without) as usize]
    }

    /// Whether a capacity has that hit ratio, and one that is a little smaller has it too: where
    /// keys come back in turn, the curve is a cliff, and on its very edge a single entry
    /// decides.
    fn serves(&self, capacity: u64, hit_ratio: f64) -> bool {
        let smaller = capacity - capacity / MARGIN;
        [smaller, capacity]
            .iter()
            .all(|&capacity| self.at(capacity).hit_ratio >= hit_ratio)
    }

    /// The best hit ratio of the capacities tried. A larger region may have a lower one.
    pub fn best(&self) -> Point {
        let largest = self.enough();
        let scanned = spread(LEAST_BYTES, largest.capacity, SCANNED);
        scanned.into_iter().fold(largest, |best, capacity| {
            let point = self.at(capacity);
            if point.hit_ratio > best.hit_ratio + DISPLACED {
                point
            } else {
                best
            }
        })
    }

    /// The hit ratio that no larger region betters where entries leave in strict order, at the
    /// least capacity tried that has it.
    fn enough(&self) -> Point {
        let best = self.strict.best();
        let raised = ROOM.map(|room| best.capacity + best.capacity * room / 100);
        let raised = raised.map(|capacity| capacity.next_multiple_of(STEP_BYTES).min(MAX_BYTES));
        let serves = |capacity: &u64| self.serves(*capacity, best.hit_ratio - DISPLACED);
        let enough = raised.into_iter().find(serves);
        self.at(enough.unwrap_or(raised[raised.len() - 1]))
    }

    /// The least capacity whose hit ratio is within `points` hundredths of the best, and would be
    /// with a hundredth less.
    pub fn within(&self, points: f64) -> Point {
        self.least_with(self.best().hit_ratio - points / 100.0)
    }

    /// The capacity to recommend: the least one [`WITHIN`](Self::WITHIN) of the best.
    pub fn recommended(&self) -> Point {
        self.within(Self::WITHIN)
    }

    /// The least capacity with that hit ratio, or the best one's.
    pub fn least_with(&self, hit_ratio: f64) -> Point {
        let serves = |steps: u64| self.serves(steps * STEP_BYTES, hit_ratio);
        self.at(least(self.best().capacity.div_ceil(STEP_BYTES), serves) * STEP_BYTES)
    }

    /// So many capacities, from one that serves few lookups to the least that serves most, evenly
    /// apart on a logarithmic scale; the recommended one is among them.
    pub fn points(&self, count: usize) -> Vec<Point> {
        let best = self.best();
        let low = self.within(97.0 * best.hit_ratio).capacity / 4 * 3;
        let low = low.max(LEAST_BYTES);
        let high = best.capacity.max(low);
        let recommended = self.recommended().capacity;
        let spread = |steps: usize| {
            let mut capacities = spread(low, high, steps);
            capacities.insert(recommended);
            capacities
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

/// Capacities from `low` to `high`, evenly apart on a logarithmic scale.
fn spread(low: u64, high: u64, steps: usize) -> BTreeSet<u64> {
    let ratio = (high as f64 / low as f64).powf(1.0 / steps as f64);
    (0..=steps)
        .map(|step| low as f64 * ratio.powf(step as f64))
        .map(|capacity| (capacity as u64).next_multiple_of(STEP_BYTES))
        .collect()
}
