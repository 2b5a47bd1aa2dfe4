//! What memory held, block by block.

use serde::Serialize;

use crate::heap_marks::HeapMarks;
use crate::lookups::Lookups;
use crate::run::Finished;

/// What one block made of memory; or several blocks in a row, for those who have no room for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// The height of the first block.
    pub first: u32,
    /// The height of the last block.
    pub last: u32,
    /// The most of the heap that was held at once, in bytes: whole slabs and large blocks.
    pub heap_peak_bytes: u64,
    /// What the cache's entries take at the end, in bytes.
    pub cache_bytes: u64,
    /// Lookups that found their key.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// The most of the heap that was in use at once, by size.
    pub heap: HeapMarks,
}

impl Moment {
    /// Of a block in an instance of its own; `None` of a module that is not built on steadfast.
    pub fn of(finished: &Finished) -> Option<Moment> {
        let report = finished.report();
        let seen = report.observed.as_ref()?;
        let cache = seen.cache.unwrap_or_default();
        Some(Moment {
            first: report.height,
            last: report.height,
            heap_peak_bytes: seen.heap_use.map_or(0, |heap| heap.peak_bytes.into()),
            cache_bytes: cache.used_bytes.into(),
            hits: cache.hits,
            misses: cache.misses,
            heap: finished.heap_marks().cloned().unwrap_or_default(),
        })
    }

    /// All lookups. A region may say anything of them.
    pub fn lookups(&self) -> u64 {
        self.counts().all()
    }

    /// The share of lookups that found their key; `None` if there were none.
    pub fn hit_ratio(&self) -> Option<f64> {
        self.counts().hit_ratio()
    }

    fn counts(&self) -> Lookups {
        Lookups {
            hits: self.hits,
            misses: self.misses,
        }
    }

    /// Adds the block that follows.
    fn add(&mut self, next: &Moment) {
        self.last = next.last;
        self.heap_peak_bytes = self.heap_peak_bytes.max(next.heap_peak_bytes);
        self.cache_bytes = next.cache_bytes;
        self.hits = self.hits.saturating_add(next.hits);
        self.misses = self.misses.saturating_add(next.misses);
        self.heap.raise(&next.heap);
    }
}

/// The same in up to `most` moments, each of as many blocks as the others but for the last.
pub(super) fn gathered(history: &[Moment], most: usize) -> Vec<Moment> {
    let blocks = history.len().div_ceil(most).max(1);
    let parts = history.chunks(blocks).filter_map(|part| {
        let (first, rest) = part.split_first()?;
        let mut sum = first.clone();
        rest.iter().for_each(|next| sum.add(next));
        Some(sum)
    });
    parts.collect()
}

/// The most of the heap that was in use at once over a whole history.
pub(super) fn heap_marks(history: &[Moment]) -> HeapMarks {
    let mut most = HeapMarks::default();
    history.iter().for_each(|moment| most.raise(&moment.heap));
    most
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn moment(height: u32) -> Moment {
        Moment {
            first: height,
            last: height,
            heap_peak_bytes: u64::from(1000 - height),
            cache_bytes: height.into(),
            hits: 1,
            misses: height.into(),
            heap: HeapMarks {
                blocks: BTreeMap::from([(16 * (1 + height as usize % 2), height as usize)]),
                large_bytes: height.into(),
            },
        }
    }

    #[test]
    fn blocks_that_follow_each_other_become_one_moment() {
        let history: Vec<Moment> = (10..17).map(moment).collect();
        assert_eq!(gathered(&history, 7), history);
        let three = gathered(&history, 3);
        let spans: Vec<_> = three.iter().map(|part| (part.first, part.last)).collect();
        assert_eq!(spans, [(10, 12), (13, 15), (16, 16)]);
        let first = &three[0];
        assert_eq!((first.heap_peak_bytes, first.cache_bytes), (990, 12));
        assert_eq!((first.hits, first.misses), (3, 33));
        assert_eq!(first.heap.blocks, BTreeMap::from([(16, 12), (32, 11)]));
        assert_eq!(first.heap.large_bytes, 12);
        assert!(gathered(&[], 3).is_empty());
    }

    #[test]
    fn no_lookups_have_no_ratio() {
        let mut none = moment(1);
        (none.hits, none.misses) = (0, 0);
        assert_eq!((none.hit_ratio(), moment(1).hit_ratio()), (None, Some(0.5)));
    }

    #[test]
    fn counts_that_cannot_be_do_no_harm() {
        let all = Moment {
            hits: u64::MAX,
            misses: u64::MAX,
            ..moment(1)
        };
        let sum = gathered(&[all.clone(), all], 1);
        assert_eq!(sum[0].hit_ratio(), Some(1.0));
    }
}
