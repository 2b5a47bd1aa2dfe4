//! The names of metashrew-support's `lru_cache`, over steadfast's region.
//!
//! Nothing here panics when memory is short. With less than the plan's region the cache is smaller,
//! and without a region it holds nothing. Memory is reserved, not filled, so opening costs the same
//! at any size.
//!
//! The answers depend on how much memory the host granted, so a program must not let its output
//! depend on them. Exceptions are [`set_lru_cache`], [`api_cache_set`],
//! [`set_height_partitioned_cache`] and the functions that set something.

mod entries;
mod keys;
mod mode;
mod sizes;
mod statistics;

pub use super::allocator::{
    disable_preallocated_allocator, enable_preallocated_allocator, get_allocator_usage_stats,
    is_preallocated_allocator_enabled, reset_preallocated_allocator,
    shutdown_preallocated_allocator,
};
pub use super::debug::{
    KeyPrefixStats, LruDebugStats, PrefixAnalysisConfig, clear_prefix_hit_stats,
    disable_lru_debug_mode, enable_lru_debug_mode, generate_lru_debug_report,
    get_comprehensive_memory_report, get_lru_debug_stats, get_prefix_analysis_config,
    is_lru_debug_mode_enabled, set_prefix_analysis_config,
};
pub use super::key_parser;
pub use entries::{
    api_cache_get, api_cache_remove, api_cache_set, get_height_partitioned_cache, get_lru_cache,
    set_height_partitioned_cache, set_lru_cache,
};
pub use keys::{ApiCacheKey, CacheKey, CacheValue, HeightPartitionedKey};
pub use mode::{
    CacheAllocationMode, clear_lru_cache, clear_view_height, flush_to_lru, force_evict_to_target,
    force_evict_to_target_percentage, force_reinitialize_caches, get_cache_allocation_mode,
    get_view_height, initialize_lru_cache, is_lru_cache_initialized, set_cache_allocation_mode,
    set_view_height,
};
pub use sizes::{
    detect_available_memory, ensure_preallocated_memory, get_actual_lru_cache_memory_limit,
    get_min_lru_cache_memory_limit, get_total_memory_usage, is_cache_below_recommended_minimum,
};
pub use statistics::{CacheStats, get_cache_stats};
