//! How large the cache may be, and how large it is. What is told here depends on the host's memory.

use core::fmt;

use super::CacheAllocationMode;
use crate::metashrew::logging::{Level, line};
use crate::metashrew::state;

const MIN_BYTES: usize = 64 << 20;

/// A size for the log.
struct Size(usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes ({} MB)", self.0, self.0 >> 20)
    }
}

/// The bytes that the host grants the cache, index and bookkeeping included: always the same in one
/// instance, 0 where it grants none. It is told to the log once, with a warning where it is less
/// than recommended.
///
/// The answer depends on the host's memory. In a native process it is the plan's region.
pub fn detect_available_memory() -> usize {
    let (bytes, is_first) = state::with(|state| {
        let [detected, _] = &mut state.announced;
        let is_first = !core::mem::replace(detected, true);
        (state.cache().max_capacity(), is_first)
    });
    if is_first {
        line(
            Level::Info,
            format_args!("Detected feasible LRU cache size: {}", Size(bytes)),
        );
        if bytes < MIN_BYTES {
            line(
                Level::Warning,
                format_args!(
                    "the LRU cache is below its recommended minimum of {}: it works, and misses more often",
                    Size(MIN_BYTES)
                ),
            );
        }
    }
    bytes
}

/// As [`detect_available_memory`]: what was detected is what there is.
pub fn get_actual_lru_cache_memory_limit() -> usize {
    detect_available_memory()
}

/// The least that is recommended, 64 MiB. The cache works with less.
pub fn get_min_lru_cache_memory_limit() -> usize {
    MIN_BYTES
}

/// Whether there is less than recommended.
///
/// The answer depends on the host's memory.
pub fn is_cache_below_recommended_minimum() -> bool {
    get_actual_lru_cache_memory_limit() < MIN_BYTES
}

/// Reserves the cache's memory, if that is still to be done, and tells the log so, once. Neither
/// fills it nor fails. Does nothing in [`CacheAllocationMode::View`], as in metashrew.
pub fn ensure_preallocated_memory() {
    if super::get_cache_allocation_mode() == CacheAllocationMode::View {
        return;
    }
    let bytes = detect_available_memory();
    let is_first = state::with(|state| {
        let [_, preallocated] = &mut state.announced;
        !core::mem::replace(preallocated, true)
    });
    if is_first && bytes > 0 {
        line(
            Level::Info,
            format_args!("Successfully preallocated {}", Size(bytes)),
        );
    }
}

/// The bytes that entries take, in all pools; 0 when there are none.
///
/// The answer depends on the host's memory.
pub fn get_total_memory_usage() -> usize {
    state::with(|state| state.cache().used_bytes())
}
