//! Why a run differs from its prediction, and why a larger region has a lower hit ratio: what the
//! counters of both tell.

use std::fmt;

use steadfast::format::RegionInfo;

use super::curve::Point;
use super::prediction::{Prediction, Replay};
use crate::config::RunConfig;
use crate::lookups::Lookups;
use crate::table::{bytes, grouped};

/// A run of the module at one capacity.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// The capacity, and the hit ratio of the indexer's pool.
    pub point: Point,
    /// The region's header at the end.
    pub region: RegionInfo,
}

/// Why a run and its prediction differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The cache was told to lose entries.
    Forgets,
    /// The region had another size than was asked for.
    Region {
        /// Bytes that were asked for.
        asked: u64,
        /// Bytes that there were.
        had: u64,
    },
    /// The region was damaged, and the cache started over.
    Damaged,
    /// The module looks up something else when its cache has another size.
    Lookups {
        /// Lookups while it was recorded.
        recorded: u64,
        /// Lookups of the run.
        measured: u64,
    },
    /// The recording is not whole.
    Unseen {
        /// Lookups that could not be seen.
        lookups: u64,
        /// Entries that could not be seen.
        entries: u64,
    },
    /// A counter of the cache differs most.
    Counter {
        /// What it counts.
        what: &'static str,
        /// Its value in the replay.
        replayed: u64,
        /// Its value in the run.
        measured: u64,
    },
    /// None of that.
    Unknown,
}

impl Cause {
    /// Finds what makes a run differ from the prediction.
    pub fn of(config: &RunConfig, prediction: &Prediction<'_>, measured: &Measured) -> Cause {
        let region = &measured.region;
        let trace = prediction.trace();
        let [main, ..] = region.pools;
        let (hits, misses) = (main.hits, main.misses);
        let lookups = Lookups { hits, misses }.all();
        let recorded = prediction.strict().lookups();
        let asked = measured.point.capacity;
        if config.forget.is_some() {
            Cause::Forgets
        } else if u64::from(region.limit) != asked {
            let had = region.limit.into();
            Cause::Region { asked, had }
        } else if region.faults > 0 {
            Cause::Damaged
        } else if trace.unseen + trace.lost > 0 {
            let (lookups, entries) = (trace.unseen, trace.lost);
            Cause::Unseen { lookups, entries }
        } else if lookups != recorded {
            let measured = lookups;
            Cause::Lookups { recorded, measured }
        } else {
            Cause::counter(&prediction.replay(asked), region)
        }
    }

    /// The counter that differs most.
    fn counter(replay: &Replay, region: &RegionInfo) -> Cause {
        let stats = &replay.stats;
        let [main, ..] = region.pools;
        let counters = [
            (
                "entries displaced since the index was full",
                stats.displaced,
                region.displaced,
            ),
            (
                "entries evicted since the arena was full",
                stats.evictions,
                main.evictions,
            ),
            (
                "entries evicted to clear room for a large value",
                stats.window_evictions,
                region.window_evictions,
            ),
            (
                "entries refused as too large",
                stats.refused,
                region.refused,
            ),
        ];
        let most = counters.into_iter().max_by_key(|(_, a, b)| a.abs_diff(*b));
        match most {
            Some((what, replayed, measured)) if replayed != measured => Cause::Counter {
                what,
                replayed,
                measured,
            },
            _ => Cause::Unknown,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Forgets => f.write_str(
                "--forget makes the module's cache lose entries, and the prediction does not: check without it",
            ),
            Cause::Region { asked, had } => write!(
                f,
                "the module had a region of {}, not of {}: its plan's maximum, --ceiling or --refuse-grow left no more",
                bytes(*had),
                bytes(*asked)
            ),
            Cause::Damaged => f.write_str(
                "the region was damaged while the module ran, and its cache started over",
            ),
            Cause::Lookups { recorded, measured } => write!(
                f,
                "the module looked up {} keys when it was recorded and {} now: what it reads depends on its cache",
                grouped(*recorded),
                grouped(*measured)
            ),
            Cause::Unseen { lookups, entries } => write!(
                f,
                "{} lookups and {} entries could not be seen while the module was recorded",
                grouped(*lookups),
                grouped(*entries)
            ),
            Cause::Counter {
                what,
                replayed,
                measured,
            } => write!(
                f,
                "{what}: {} in the prediction, {} in the run",
                grouped(*replayed),
                grouped(*measured)
            ),
            Cause::Unknown => f.write_str(
                "the counters of both caches agree; was the module built with another version of steadfast?",
            ),
        }
    }
}

/// A place at which the predicted hit ratio falls although the region grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fall {
    /// The smaller region.
    pub from: Point,
    /// The larger one.
    pub to: Point,
    /// Why.
    pub reason: FallReason,
}

/// Why a larger region has a lower hit ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FallReason {
    /// Values that were refused before fit now, and take the place of smaller ones.
    LargeValues {
        /// Bytes of the smaller arena, in which they do not fit.
        arena_bytes: u32,
        /// Writes of such values.
        writes: u64,
    },
    /// More entries are cleared away for large values.
    Windows {
        /// So many more.
        entries: u64,
    },
    /// More entries are displaced in the index.
    Displaced {
        /// So many more.
        entries: u64,
    },
    /// Nothing but the order in which entries leave.
    Order,
}

/// The hit ratio must fall by more than this to be told.
const TOLD_FALL: f64 = 0.0005;

/// Where the predicted hit ratio falls from one of the points to the next.
pub fn falls(prediction: &Prediction<'_>, points: &[Point]) -> Vec<Fall> {
    let pairs = points.windows(2).map(|pair| (pair[0], pair[1]));
    let falling = pairs.filter(|(from, to)| to.hit_ratio < from.hit_ratio - TOLD_FALL);
    let reason = |from: &Point, to: &Point| {
        let stats = [from, to].map(|point| prediction.replay(point.capacity).stats);
        let more =
            |of: fn(&steadfast::cache::Stats) -> u64| of(&stats[1]).saturating_sub(of(&stats[0]));
        let fit_now = stats[0].refused.saturating_sub(stats[1].refused);
        if fit_now > 0 {
            return FallReason::LargeValues {
                arena_bytes: stats[0].arena_bytes,
                writes: fit_now,
            };
        }
        let windows = more(|stats| stats.window_evictions);
        let displaced = more(|stats| stats.displaced);
        match (windows, displaced) {
            (0, 0) => FallReason::Order,
            _ if windows >= displaced => FallReason::Windows { entries: windows },
            _ => FallReason::Displaced { entries: displaced },
        }
    };
    falling
        .map(|(from, to)| Fall {
            reason: reason(&from, &to),
            from,
            to,
        })
        .collect()
}

impl fmt::Display for Fall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.2} % at {}, {:.2} % at {}: ",
            100.0 * self.from.hit_ratio,
            bytes(self.from.capacity),
            100.0 * self.to.hit_ratio,
            bytes(self.to.capacity)
        )?;
        match self.reason {
            FallReason::LargeValues {
                arena_bytes,
                writes,
            } => write!(
                f,
                "{} writes of values that do not fit into {} are kept from here on, and many small entries leave for each",
                grouped(writes),
                bytes(arena_bytes.into())
            ),
            FallReason::Windows { entries } => write!(
                f,
                "{} entries more are evicted to clear room for large values",
                grouped(entries)
            ),
            FallReason::Displaced { entries } => write!(
                f,
                "{} entries more are displaced in the index",
                grouped(entries)
            ),
            FallReason::Order => f.write_str(
                "the cache is not in strict order of use, and where keys come back in turn a single entry decides",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    #[test]
    fn a_value_that_fits_only_a_larger_region_explains_a_fall() {
        let mut trace = Trace::default();
        for round in 0..400_u32 {
            // As large as the smaller of both regions, and never read.
            trace.insert(b"list", 150_000);
            for key in 0..200_u32 {
                trace.look_up(&key.to_le_bytes(), Some(224));
            }
            trace.insert(&round.to_le_bytes(), 10);
        }
        let prediction = Prediction::new(&trace, 200);
        let points = [128 << 10, 160 << 10, 300 << 10].map(|capacity| prediction.at(capacity));
        let falls = falls(&prediction, &points);
        let [fall] = falls[..] else {
            panic!("{falls:?} of {points:?}");
        };
        let is_the_list = matches!(fall.reason, FallReason::LargeValues { writes: 400, .. });
        assert!(is_the_list, "{fall:?}");
        // The recommended region is not one past the fall.
        let recommended = prediction.within(1.0);
        assert!(
            recommended.hit_ratio >= fall.from.hit_ratio - 0.01,
            "{recommended:?}"
        );
        assert!(
            recommended.capacity <= fall.from.capacity || recommended.capacity > fall.to.capacity
        );
    }

    #[test]
    fn the_counter_that_differs_most_is_the_cause() {
        let stats = steadfast::cache::Stats {
            displaced: 5,
            evictions: 100,
            ..Default::default()
        };
        let replay = Replay {
            stats,
            ..Replay::default()
        };
        let region = crate::image::Buffer::with_new_cache(1 << 16, 137, |cache| {
            let _ = cache.insert(b"k", b"v");
            RegionInfo::read(cache.image()).expect("a region")
        });
        let cause = Cause::counter(&replay, &region);
        assert!(
            matches!(
                cause,
                Cause::Counter {
                    replayed: 100,
                    measured: 0,
                    ..
                }
            ),
            "{cause:?}"
        );
        assert_eq!(Cause::counter(&Replay::default(), &region), Cause::Unknown);
    }
}
