//! The names of metashrew's preallocated allocator.
//!
//! There is nothing to switch any more: the global allocator that [`plan!`](crate::plan!) declares
//! always has its memory beforehand, and the cache's memory is apart from it. The switch is kept
//! for programs that ask for it, and does nothing.

use super::lru_cache::{clear_lru_cache, get_total_memory_usage};
use super::state;

pub use super::lru_cache::{
    detect_available_memory, ensure_preallocated_memory, get_actual_lru_cache_memory_limit,
};

/// Notes that it is enabled, and does nothing else.
pub fn enable_preallocated_allocator() {
    state::with(|state| state.preallocated_allocator = true);
}

/// Notes that it is disabled, and does nothing else.
pub fn disable_preallocated_allocator() {
    state::with(|state| state.preallocated_allocator = false);
}

/// What was noted last. [`initialize`](super::initialize) notes it by the mode: enabled for the
/// indexer, disabled for views.
pub fn is_preallocated_allocator_enabled() -> bool {
    state::with(|state| state.preallocated_allocator)
}

/// The bytes that the cache's entries take, the bytes that the host granted it, and the first in
/// hundredths of the second; zeros while it is noted as disabled.
///
/// The answer depends on the host's memory.
pub fn get_allocator_usage_stats() -> (usize, usize, f64) {
    if !is_preallocated_allocator_enabled() {
        return (0, 0, 0.0);
    }
    let (used, total) = (
        get_total_memory_usage(),
        get_actual_lru_cache_memory_limit(),
    );
    (used, total, percent(used as f64, total as f64))
}

/// A part in hundredths of the whole; 0 of nothing.
pub(super) fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 {
        part / whole * 100.0
    } else {
        0.0
    }
}

/// Does nothing: there is nothing that could be left over.
pub fn reset_preallocated_allocator() {}

/// Empties the cache, and notes that the allocator is disabled.
pub fn shutdown_preallocated_allocator() {
    clear_lru_cache();
    disable_preallocated_allocator();
}
