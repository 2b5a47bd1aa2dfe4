//! Counters and sizes.

use super::contents::Contents;
use super::scope::Pool;
use crate::region::PoolInfo;

/// Counters and sizes of a cache, all its pools together; all zero if it is disabled. Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The whole region.
    pub capacity_bytes: u32,
    /// The index, all of its buckets in use.
    pub index_bytes: u32,
    /// What is left for entries.
    pub arena_bytes: u32,
    /// What will be left for entries when the region has grown as far as it may.
    pub max_arena_bytes: u32,
    /// The blocks of the entries.
    pub used_bytes: u32,
    /// Free blocks between entries.
    pub free_bytes: u32,
    /// Entries held.
    pub entries: u32,
    /// Lookups by `get` and `get_or_load` that found their key.
    pub hits: u64,
    /// Lookups by `get` and `get_or_load` that did not.
    pub misses: u64,
    /// Entries written, by `insert` or by a loader.
    pub inserts: u64,
    /// Entries evicted because they were the oldest.
    pub evictions: u64,
    /// Entries evicted because both buckets of a new key were full.
    pub displaced: u64,
    /// Entries evicted to clear a contiguous window for a large value.
    pub window_evictions: u64,
    /// Entries moved to their other bucket to make place.
    pub relocated: u64,
    /// Times that damage was found and the cache started over.
    pub faults: u64,
    /// Inserts refused because the entry cannot fit.
    pub refused: u64,
}

impl Stats {
    pub(super) fn of(contents: &Contents) -> Stats {
        let header = contents.region.header();
        let pool = Pool::ALL
            .into_iter()
            .map(|pool| header.pool(pool.number()).info())
            .fold(PoolInfo::default(), PoolInfo::plus);
        Stats {
            capacity_bytes: contents.region.capacity(),
            index_bytes: contents.region.geometry().index_bytes(),
            arena_bytes: contents.arena_bytes(),
            max_arena_bytes: contents.max_arena_bytes(),
            used_bytes: pool.used_bytes,
            free_bytes: header.free_bytes,
            entries: pool.entries,
            hits: pool.hits,
            misses: pool.misses,
            inserts: header.inserts,
            evictions: pool.evictions,
            displaced: header.displaced,
            window_evictions: header.window_evictions,
            relocated: header.relocated,
            faults: header.faults,
            refused: header.refused,
        }
    }
}
