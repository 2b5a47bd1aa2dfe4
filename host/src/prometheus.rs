//! What an instance did, in Prometheus' text format, for operators to scrape.

use std::fmt::{self, Write as _};

use crate::observe::{CacheUse, Observed, PoolUse};

/// The names of the pools, as labels.
const POOLS: [&str; 3] = ["main", "views", "application"];

/// Shows figures in Prometheus' text exposition format, version 0.0.4. All names begin with `steadfast_`; sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Prometheus<'a>(pub &'a Observed);

/// A metric with one value.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: "gauge",
        help,
    }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric {
        name,
        kind: "counter",
        help,
    }
}

impl Metric {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Metric { name, kind, help } = self;
        writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")
    }

    fn one(&self, f: &mut fmt::Formatter<'_>, value: impl fmt::Display) -> fmt::Result {
        self.head(f)?;
        writeln!(f, "{} {value}", self.name)
    }

    /// A value for each pool that has one.
    fn each(
        &self,
        f: &mut fmt::Formatter<'_>,
        cache: &CacheUse,
        value: impl Fn(&PoolUse) -> Option<u64>,
    ) -> fmt::Result {
        let mut lines = String::new();
        for (pool, seen) in POOLS.iter().zip(&cache.pools) {
            if let Some(value) = value(seen) {
                writeln!(lines, "{}{{pool=\"{pool}\"}} {value}", self.name)?;
            }
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.head(f)?;
        f.write_str(&lines)
    }
}

impl fmt::Display for Prometheus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.0;
        gauge("steadfast_heap_budget_bytes", "The heap's budget.").one(f, seen.heap.bytes)?;
        if let Some(heap) = seen.heap_use {
            gauge(
                "steadfast_heap_held_bytes",
                "Whole slabs and large blocks of the heap.",
            )
            .one(f, heap.held_bytes)?;
            gauge(
                "steadfast_heap_peak_bytes",
                "The most that the heap ever held.",
            )
            .one(f, heap.peak_bytes)?;
            gauge(
                "steadfast_heap_reached_bytes",
                "From the heap's start to the highest block's end, at the most.",
            )
            .one(f, heap.reached_bytes)?;
            gauge(
                "steadfast_heap_largest_block_bytes",
                "The largest block of the heap outside of slabs.",
            )
            .one(f, heap.largest_bytes)?;
        }
        gauge(
            "steadfast_region_granted_bytes",
            "The region that the host granted.",
        )
        .one(f, seen.region.bytes)?;
        gauge(
            "steadfast_region_limit_bytes",
            "What the cache may use of the region.",
        )
        .one(f, seen.cache_limit_bytes)?;
        counter("steadfast_memory_grows_total", "Calls of memory.grow.")
            .one(f, seen.grows_asked)?;
        counter(
            "steadfast_memory_grows_refused_total",
            "Calls of memory.grow that were refused.",
        )
        .one(f, seen.grows_refused)?;
        seen.cache
            .as_ref()
            .map_or(Ok(()), |cache| of_cache(f, cache))
    }
}

/// The same of a cache alone, where no more is known.
#[derive(Clone, Copy, Debug)]
pub struct OfCache<'a>(pub &'a CacheUse);

impl fmt::Display for OfCache<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        of_cache(f, self.0)
    }
}

fn of_cache(f: &mut fmt::Formatter<'_>, cache: &CacheUse) -> fmt::Result {
    gauge(
        "steadfast_cache_capacity_bytes",
        "The cache's region, header and index included.",
    )
    .one(f, cache.capacity_bytes)?;
    gauge("steadfast_cache_used_bytes", "Blocks of the entries.")
        .each(f, cache, |pool| Some(pool.used_bytes.into()))?;
    gauge(
        "steadfast_cache_quota_bytes",
        "What a pool's entries may take, where that is bounded.",
    )
    .each(f, cache, |pool| pool.quota_bytes.map(u64::from))?;
    gauge("steadfast_cache_entries", "Entries held.")
        .each(f, cache, |pool| Some(pool.entries.into()))?;
    counter(
        "steadfast_cache_hits_total",
        "Lookups that found their key.",
    )
    .each(f, cache, |pool| Some(pool.hits))?;
    counter(
        "steadfast_cache_misses_total",
        "Lookups that did not find their key.",
    )
    .each(f, cache, |pool| Some(pool.misses))?;
    counter(
        "steadfast_cache_evictions_total",
        "Entries evicted because they were the oldest.",
    )
    .each(f, cache, |pool| Some(pool.evictions))?;
    counter("steadfast_cache_inserts_total", "Entries written.").one(f, cache.inserts)?;
    counter(
        "steadfast_cache_displaced_total",
        "Entries evicted because both buckets of a new key were full.",
    )
    .one(f, cache.displaced)?;
    counter(
        "steadfast_cache_window_evictions_total",
        "Entries evicted to clear a window for a large value.",
    )
    .one(f, cache.window_evictions)?;
    counter(
        "steadfast_cache_refused_total",
        "Inserts refused because the entry cannot fit.",
    )
    .one(f, cache.refused)?;
    counter(
        "steadfast_cache_faults_total",
        "Times that damage was found and the cache started over.",
    )
    .one(f, cache.faults)
}
