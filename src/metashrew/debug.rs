//! Which parts of the key space are read, for those who tune an indexer.
//!
//! While it is enabled, every lookup in the main pool is noted under its key's prefix. The
//! heap changes in the same way whether or not the key was found. Only the report differs.

mod prefix;
mod report;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::keyed::Keyed;
use super::lru_cache::{CacheStats, get_cache_stats};
use super::state;

pub use report::{generate_lru_debug_report, get_comprehensive_memory_report};

/// Which prefixes are told of. A key's prefix ends behind its last slash before the first byte that
/// is neither a letter, nor a digit, nor a slash. Lengths in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixAnalysisConfig {
    /// Keys with a shorter prefix are left out.
    pub min_prefix_length: usize,
    /// What is behind it is no part of a prefix.
    pub max_prefix_length: usize,
    /// Prefixes with fewer keys are not told of.
    pub min_keys_per_prefix: usize,
}

impl PrefixAnalysisConfig {
    const DEFAULT: Self = PrefixAnalysisConfig {
        min_prefix_length: 8,
        max_prefix_length: 64,
        min_keys_per_prefix: 3,
    };
}

impl Default for PrefixAnalysisConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The lookups of the keys with one prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyPrefixStats {
    /// The prefix, in hexadecimal.
    pub prefix: String,
    /// The prefix, as [`parse_key_enhanced`](super::key_parser::parse_key_enhanced) shows it.
    pub prefix_readable: String,
    /// Lookups that found their key.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Keys that were looked up.
    pub unique_keys: usize,
    /// The hits in hundredths of all the cache's hits.
    pub hit_percentage: f64,
}

/// What is known of the cache and of the prefixes of its keys.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LruDebugStats {
    /// The cache's statistics.
    pub cache_stats: CacheStats,
    /// The prefixes, those with the most lookups first.
    pub prefix_stats: Vec<KeyPrefixStats>,
    /// How many prefixes there are.
    pub total_prefixes: usize,
    /// From [`PrefixAnalysisConfig`].
    pub min_prefix_length: usize,
    /// From [`PrefixAnalysisConfig`].
    pub max_prefix_length: usize,
}

/// The lookups of one prefix.
#[derive(Debug)]
struct Lookups {
    hits: u64,
    misses: u64,
    keys: Keyed<()>,
}

/// What is kept between calls.
#[derive(Debug)]
pub(super) struct Debugging {
    is_enabled: bool,
    config: PrefixAnalysisConfig,
    prefixes: Keyed<Lookups>,
}

impl Debugging {
    pub const fn new() -> Self {
        Debugging {
            is_enabled: false,
            config: PrefixAnalysisConfig::DEFAULT,
            prefixes: Keyed::new(),
        }
    }

    /// Notes a lookup, if that is enabled.
    #[inline]
    pub fn track(&mut self, key: &Arc<Vec<u8>>, is_hit: bool) {
        if self.is_enabled {
            self.note(key, is_hit);
        }
    }

    #[cold]
    fn note(&mut self, key: &Arc<Vec<u8>>, is_hit: bool) {
        let Some(prefix) = prefix::of(key, &self.config) else {
            return;
        };
        let (_, lookups) = self.prefixes.entry(&Arc::new(prefix.to_vec()), || Lookups {
            hits: 0,
            misses: 0,
            keys: Keyed::new(),
        });
        if is_hit {
            lookups.hits += 1;
        } else {
            lookups.misses += 1;
        }
        lookups.keys.entry(key, || ());
    }
}

/// Begins to note lookups. Each takes some time, and each prefix and each key some heap.
pub fn enable_lru_debug_mode() {
    state::with(|state| state.debugging.is_enabled = true);
}

/// Stops noting lookups. What was noted stays.
pub fn disable_lru_debug_mode() {
    state::with(|state| state.debugging.is_enabled = false);
}

/// Whether lookups are noted.
pub fn is_lru_debug_mode_enabled() -> bool {
    state::with(|state| state.debugging.is_enabled)
}

/// Sets which prefixes are noted and told of from now on.
pub fn set_prefix_analysis_config(config: PrefixAnalysisConfig) {
    state::with(|state| state.debugging.config = config);
}

/// Which prefixes are noted and told of.
pub fn get_prefix_analysis_config() -> PrefixAnalysisConfig {
    state::with(|state| state.debugging.config.clone())
}

/// Forgets the lookups that were noted.
pub fn clear_prefix_hit_stats() {
    state::with(|state| state.debugging.prefixes.clear());
}

/// The cache's statistics, and those of its keys' prefixes while lookups are noted. They depend on
/// the host's memory.
pub fn get_lru_debug_stats() -> LruDebugStats {
    let cache_stats = get_cache_stats();
    state::with(|state| {
        let Debugging {
            is_enabled,
            config,
            prefixes,
        } = &state.debugging;
        let prefix_stats = if *is_enabled {
            prefix::statistics(prefixes, config.min_keys_per_prefix, cache_stats.hits)
        } else {
            Vec::new()
        };
        LruDebugStats {
            cache_stats,
            total_prefixes: prefix_stats.len(),
            prefix_stats,
            min_prefix_length: config.min_prefix_length,
            max_prefix_length: config.max_prefix_length,
        }
    })
}
