//! What a plan should say of its cache. Each value is tried by replay before it is given.

use steadfast::Plan;

use super::curve::Point;
use super::prediction::Prediction;
use crate::ceiling::PAGE_BYTES;

/// Fewer keys than these do not tell what a typical entry is.
const TELLING_KEYS: usize = 100;
/// A region that is smaller by less than one part in so many is no reason to change a plan.
const WORTHWHILE: u64 = 20;
const MIB: u64 = 1 << 20;

/// Another expected entry, with which a smaller region has the recommended one's hit ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EntryAdvice {
    /// Bytes of key and value.
    pub expected_entry: u32,
    /// The region that is enough then.
    pub point: Point,
    /// Whether entries were displaced, since the index is full before the arena is. If not, the
    /// index is larger than it has to be.
    pub index_is_full: bool,
}

/// The region that a plan can ask for, of at least the recommended capacity: in whole MiB, or else
/// in whole pages. A larger region may have a lower hit ratio, so this one is tried too.
pub fn settable(prediction: &Prediction<'_>, recommended: &Point) -> Point {
    let in_pages = recommended.capacity.next_multiple_of(PAGE_BYTES);
    let few_more = (0..16).map(|more| in_pages + more * PAGE_BYTES);
    // Each is a whole replay, and the first that serves is enough.
    let mut best = prediction.at(recommended.capacity.next_multiple_of(MIB));
    for capacity in few_more {
        if best.hit_ratio >= recommended.hit_ratio {
            break;
        }
        let point = prediction.at(capacity);
        if point.hit_ratio >= best.hit_ratio {
            best = point;
        }
    }
    best
}

/// A better value for the plan's expected entry, if there is one.
///
/// The values that are tried are the mean entries that the cache holds, not those that are written:
/// a list that grows at every write is written often and held once. A value is better if it saves a
/// twentieth of the recommended region, and lowers the hit ratio neither there nor in the region
/// that the module has now.
pub fn better_entry(prediction: &Prediction<'_>, recommended: &Point) -> Option<EntryAdvice> {
    let trace = prediction.trace();
    if trace.keys() < TELLING_KEYS {
        return None;
    }
    let expected = prediction.expected_entry();
    let capacities = [recommended.capacity, u64::from(trace.region_bytes)];
    let replays = capacities.map(|capacity| prediction.replay(capacity));
    let mut values = replays.map(|replay| replay.mean_entry).to_vec();
    values.sort_unstable();
    values.dedup();
    values.retain(|value| {
        (1..=Plan::MAX_EXPECTED_ENTRY).contains(value) && value.abs_diff(expected) > expected / 8
    });
    let advice = values.into_iter().filter_map(|value| {
        let other = Prediction::new(trace, value);
        let is_no_worse = capacities
            .iter()
            .all(|&capacity| other.at(capacity).hit_ratio >= prediction.at(capacity).hit_ratio);
        let point = is_no_worse.then(|| other.least_with(recommended.hit_ratio))?;
        let point = settable(&other, &point);
        let is_worthwhile = point.hit_ratio >= recommended.hit_ratio
            && point.capacity <= recommended.capacity - recommended.capacity / WORTHWHILE;
        is_worthwhile.then_some(EntryAdvice {
            expected_entry: value,
            point,
            index_is_full: replays[0].stats.displaced > 0,
        })
    });
    advice.min_by_key(|advice| advice.point.capacity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Trace;

    const BLOCKS: u32 = 200;
    const LISTS: u32 = 8;

    /// An indexer with lists that grow: in each block every list is written 10 times, 32 bytes
    /// longer each time, and some of many values of 200 bytes are looked up, as often as others are
    /// written.
    fn growing_lists() -> Trace {
        let mut trace = Trace::default();
        trace.opened(137, 1 << 20);
        let small = |number: u32| number.wrapping_mul(2_654_435_761) % 3000;
        let mut length = 0;
        for block in 0..BLOCKS {
            for step in 0..10 {
                length += 32;
                for list in 0..LISTS {
                    trace.insert(&list.to_le_bytes(), length);
                }
                for number in 0..8 {
                    let key = small(80 * block + 8 * step + number) + 1000;
                    trace.look_up(&key.to_be_bytes(), Some(224));
                }
            }
        }
        trace
    }

    /// Mean bytes of key and value of what is written.
    fn mean_written(trace: &Trace) -> u32 {
        let written = trace.operations().iter().filter_map(|operation| {
            use crate::trace::Operation::*;
            match operation {
                Insert { bytes, .. } => Some(u64::from(*bytes)),
                LookUp { fill, .. } => fill.map(u64::from),
                Remove { .. } => None,
            }
        });
        let blocks: Vec<u64> = written.collect();
        (blocks.iter().sum::<u64>() / blocks.len() as u64) as u32
    }

    #[test]
    fn what_is_written_often_is_not_what_is_expected() {
        let trace = growing_lists();
        let written = mean_written(&trace);
        assert!(written > 10_000, "{written}");
        let planned = Prediction::new(&trace, 137);
        let recommended = planned.within(1.0);
        assert!(recommended.hit_ratio > 0.3, "{recommended:?}");
        // An index for entries of that size holds next to nothing.
        let misled = Prediction::new(&trace, written).at(recommended.capacity);
        assert!(misled.hit_ratio < recommended.hit_ratio / 2.0, "{misled:?}");
        never_lowers(&planned);
    }

    /// Whatever is advised keeps the hit ratio, alone and together with the region.
    fn never_lowers(planned: &Prediction<'_>) -> Option<EntryAdvice> {
        let trace = planned.trace();
        let recommended = planned.within(1.0);
        assert!(settable(planned, &recommended).hit_ratio >= recommended.hit_ratio);
        let advice = better_entry(planned, &recommended);
        if let Some(advice) = advice {
            let other = Prediction::new(trace, advice.expected_entry);
            assert!(other.at(advice.point.capacity).hit_ratio >= recommended.hit_ratio);
            for capacity in [recommended.capacity, trace.region_bytes.into()] {
                assert!(other.at(capacity).hit_ratio >= planned.at(capacity).hit_ratio);
            }
        }
        advice
    }

    #[test]
    fn small_entries_that_fill_the_index_are_told() {
        let mut trace = Trace::default();
        trace.opened(600, 1 << 20);
        for number in 0..60_000_u32 {
            let key = number.wrapping_mul(2_654_435_761) % 3000;
            trace.look_up(&key.to_be_bytes(), Some(60));
        }
        let planned = Prediction::new(&trace, 600);
        let advice = never_lowers(&planned).expect("a smaller value");
        assert!((30..60).contains(&advice.expected_entry), "{advice:?}");
        assert!(advice.index_is_full);
        // With what is advised there is nothing to advise.
        let followed = Prediction::new(&trace, advice.expected_entry);
        assert_eq!(better_entry(&followed, &followed.within(1.0)), None);
    }

    /// Random programs: no advice lowers what it was measured against.
    #[test]
    fn no_advice_lowers_the_hit_ratio() {
        let mut seed = 5_u64;
        let mut below = move |bound: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % bound
        };
        for (expected, region_bytes) in [
            (20, 1 << 20),
            (137, 1 << 16),
            (137, 4 << 20),
            (5000, 1 << 18),
        ] {
            let mut trace = Trace::default();
            trace.opened(expected, region_bytes);
            let keys = 200 + below(2000);
            let longest = 20 + below(4000);
            for _ in 0..20_000 {
                let key = below(keys) * below(keys) / keys;
                let bytes = 34 + 2 * (key * 7919 % longest) as u32;
                match below(3) {
                    0 => trace.insert(&key.to_le_bytes(), bytes - 28 + 2 * below(50) as u32),
                    _ => trace.look_up(&key.to_le_bytes(), Some(bytes)),
                }
            }
            never_lowers(&Prediction::new(&trace, expected));
        }
    }
}
