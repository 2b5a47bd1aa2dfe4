//! Opening and emptying the cache, and which pools have the region.

use super::sizes;
use crate::cache::Pool;
use crate::metashrew::state;

/// Which pools have the region. The others keep 1 KiB each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheAllocationMode {
    /// The main pool has all of it.
    #[default]
    Indexer,
    /// The pool of views and the application's pool have half each.
    View,
}

/// Opens the cache, if that is still to be done, and tells the log what the host granted for it.
///
/// Costs the same whatever the cache's size; the first call of all reserves memory.
pub fn initialize_lru_cache() {
    sizes::detect_available_memory();
    sizes::ensure_preallocated_memory();
    state::with(|state| {
        state.preallocated_allocator = state.mode() == CacheAllocationMode::Indexer;
    });
}

/// Whether the cache has been opened, by any function that needs it.
pub fn is_lru_cache_initialized() -> bool {
    state::with(|state| state.is_open())
}

/// Drops the entries of all pools, at constant cost, and sets the statistics to zero.
pub fn clear_lru_cache() {
    state::with(state::State::clear_cache);
}

/// Empties the cache as [`clear_lru_cache`] does, and divides the region by the mode anew.
pub fn force_reinitialize_caches() {
    clear_lru_cache();
    set_cache_allocation_mode(get_cache_allocation_mode());
}

/// Gives the region to other pools, at once. A pool that loses room evicts its oldest entries, in
/// time proportional to that.
pub fn set_cache_allocation_mode(mode: CacheAllocationMode) {
    state::with(|state| state.set_mode(mode));
}

/// The mode that was set last; [`CacheAllocationMode::Indexer`] at first.
pub fn get_cache_allocation_mode() -> CacheAllocationMode {
    state::with(|state| state.mode())
}

/// Has nothing to do: the cache never exceeds its limit, as metashrew's could.
pub fn force_evict_to_target() {}

/// Evicts the oldest entries of every pool until those left take up to `target_percentage` hundredths
/// of what they took. Takes time in proportion to what goes.
pub fn force_evict_to_target_percentage(target_percentage: u32) {
    state::with(|state| {
        let cache = state.cache();
        for pool in Pool::ALL {
            let used = u64::from(cache.pool_info(pool).used_bytes);
            let target = used * u64::from(target_percentage.min(100)) / 100;
            cache.evict_pool_to(pool, target as usize, usize::MAX);
        }
    });
}

/// Has nothing left to do: what was written by [`set`](crate::metashrew::set) is in the main pool
/// already.
pub fn flush_to_lru() {}

/// From now on [`get`](crate::metashrew::get) reads as of this height: the rule stands under
/// [views](crate::metashrew#views). Costs nothing, before the input or after it.
pub fn set_view_height(height: u32) {
    state::with(|state| state.set_view_height(Some(height)));
}

/// Ends what [`set_view_height`] began.
pub fn clear_view_height() {
    state::with(|state| state.set_view_height(None));
}

/// The view's height, where one is set.
pub fn get_view_height() -> Option<u32> {
    state::with(|state| state.view_height())
}
