//! What the cache has done.

use crate::metashrew::state;

/// What the cache holds, and what it has done since it was last cleared; all pools together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Lookups that found their key.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Entries held.
    pub items: usize,
    /// Bytes that they take.
    pub memory_usage: usize,
    /// Entries evicted, for whatever reason, each one counted.
    pub evictions: u64,
}

/// The statistics. They depend on the host's memory. Where it grants no cache, they stay at zero.
#[must_use]
pub fn get_cache_stats() -> CacheStats {
    state::with(state::State::stats)
}
