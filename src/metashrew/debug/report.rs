//! Reports for people.

use alloc::string::String;
use core::fmt::{self, Write};

use super::{
    KeyPrefixStats, get_lru_debug_stats, get_prefix_analysis_config, is_lru_debug_mode_enabled,
};
use crate::metashrew::allocator::{
    get_allocator_usage_stats, is_preallocated_allocator_enabled, percent,
};
use crate::metashrew::frame::whole_characters;
use crate::metashrew::lru_cache::{
    CacheStats, get_actual_lru_cache_memory_limit, get_cache_stats, get_total_memory_usage,
};

/// How many prefixes a report lists.
const LISTED: usize = 20;
/// How many bytes of a prefix it shows.
const SHOWN_BYTES: usize = 36;

/// The cache's statistics and those of its keys' prefixes, as text. It depends on the host's
/// memory.
pub fn generate_lru_debug_report() -> String {
    written(debug_report)
}

/// What the cache takes of what it was granted, as text. It depends on the host's memory.
pub fn get_comprehensive_memory_report() -> String {
    written(memory_report)
}

fn written(write: fn(&mut String) -> fmt::Result) -> String {
    let mut report = String::new();
    // A string takes any text.
    let _ = write(&mut report);
    report
}

fn debug_report(report: &mut String) -> fmt::Result {
    let stats = get_lru_debug_stats();
    writeln!(report, "LRU CACHE DEBUG REPORT\n")?;
    statistics(report, &stats.cache_stats)?;
    writeln!(report, "\nKEY PREFIX ANALYSIS")?;
    if !is_lru_debug_mode_enabled() {
        return writeln!(
            report,
            "Debug mode is disabled; enable_lru_debug_mode() enables it."
        );
    }
    writeln!(
        report,
        "Prefix lengths: {} to {} bytes",
        stats.min_prefix_length, stats.max_prefix_length
    )?;
    writeln!(
        report,
        "Minimum keys per prefix: {}",
        get_prefix_analysis_config().min_keys_per_prefix
    )?;
    writeln!(report, "Qualifying prefixes: {}\n", stats.total_prefixes)?;
    if stats.prefix_stats.is_empty() {
        return writeln!(report, "No prefix has enough keys.");
    }
    writeln!(
        report,
        "{:SHOWN_BYTES$} {:>9} {:>9} {:>7} {:>6}",
        "prefix", "hits", "misses", "keys", "hit %"
    )?;
    let mut listed = stats.prefix_stats.iter().take(LISTED);
    listed.try_for_each(|prefix| row(report, prefix))
}

fn row(report: &mut String, stats: &KeyPrefixStats) -> fmt::Result {
    let readable = &stats.prefix_readable;
    let shown = &readable[..whole_characters(readable, SHOWN_BYTES)];
    writeln!(
        report,
        "{shown:SHOWN_BYTES$} {:>9} {:>9} {:>7} {:>6.1}",
        stats.hits, stats.misses, stats.unique_keys, stats.hit_percentage
    )
}

fn statistics(report: &mut String, stats: &CacheStats) -> fmt::Result {
    let lookups = stats.hits + stats.misses;
    writeln!(report, "Hits: {}", stats.hits)?;
    writeln!(report, "Misses: {}", stats.misses)?;
    writeln!(
        report,
        "Hit rate: {:.1}%",
        percent(stats.hits as f64, lookups as f64)
    )?;
    writeln!(report, "Items: {}", stats.items)?;
    writeln!(report, "Memory usage: {} bytes", stats.memory_usage)?;
    writeln!(report, "Evictions: {}", stats.evictions)
}

fn memory_report(report: &mut String) -> fmt::Result {
    let (used, limit) = (
        get_total_memory_usage(),
        get_actual_lru_cache_memory_limit(),
    );
    writeln!(report, "COMPREHENSIVE MEMORY USAGE REPORT\n")?;
    writeln!(report, "PREALLOCATED ALLOCATOR STATUS")?;
    if is_preallocated_allocator_enabled() {
        let (used, total, percentage) = get_allocator_usage_stats();
        writeln!(
            report,
            "Enabled: {used} of {total} bytes ({percentage:.1}%)\n"
        )?;
    } else {
        writeln!(report, "Disabled\n")?;
    }
    writeln!(report, "LRU CACHE MEMORY USAGE")?;
    statistics(report, &get_cache_stats())?;
    writeln!(report, "\nMEMORY EFFICIENCY ANALYSIS")?;
    writeln!(report, "Memory limit: {limit} bytes ({} MB)", limit >> 20)?;
    writeln!(
        report,
        "Limit usage: {:.1}%",
        percent(used as f64, limit as f64)
    )
}
