//! What an instance did, in Prometheus' text format, for operators to scrape.

use std::fmt;

use steadfast::format::{Figure, Kind, Stats};

use crate::instance_stats::InstanceStats;

/// The names of the pools, as labels.
const POOLS: [&str; 3] = ["main", "views", "application"];

/// Shows figures in Prometheus' text exposition format, version 0.0.4. All names begin with
/// `steadfast_`; sizes are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Prometheus<'a>(pub &'a InstanceStats);

/// Writes a metric with one value.
fn one(
    f: &mut fmt::Formatter<'_>,
    kind: Kind,
    name: &str,
    help: &str,
    value: impl Into<u64>,
) -> fmt::Result {
    head(f, kind, name, help)?;
    writeln!(f, "{name} {}", value.into())
}

fn head(f: &mut fmt::Formatter<'_>, kind: Kind, name: &str, help: &str) -> fmt::Result {
    let kind = match kind {
        Kind::Counter => "counter",
        Kind::Gauge | Kind::Limit => "gauge",
    };
    writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

impl fmt::Display for Prometheus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = self.0;
        one(
            f,
            Kind::Gauge,
            "steadfast_heap_budget_bytes",
            "The heap's budget.",
            seen.heap.bytes,
        )?;
        if let Some(heap) = seen.heap_use {
            one(
                f,
                Kind::Gauge,
                "steadfast_heap_held_bytes",
                "Whole slabs and large blocks of the heap.",
                heap.held_bytes,
            )?;
            one(
                f,
                Kind::Gauge,
                "steadfast_heap_peak_bytes",
                "The most that the heap ever held.",
                heap.peak_bytes,
            )?;
            one(
                f,
                Kind::Gauge,
                "steadfast_heap_reached_bytes",
                "From the heap's start to the highest block's end, at the most.",
                heap.reached_bytes,
            )?;
            one(
                f,
                Kind::Gauge,
                "steadfast_heap_largest_block_bytes",
                "The largest block of the heap outside of slabs.",
                heap.largest_bytes,
            )?;
        }
        one(
            f,
            Kind::Gauge,
            "steadfast_region_granted_bytes",
            "The region that the host granted.",
            seen.region.bytes,
        )?;
        one(
            f,
            Kind::Gauge,
            "steadfast_region_limit_bytes",
            "What the cache may use of the region.",
            seen.cache_limit_bytes,
        )?;
        one(
            f,
            Kind::Counter,
            "steadfast_memory_grows_total",
            "Calls of memory.grow.",
            seen.grows_asked,
        )?;
        one(
            f,
            Kind::Counter,
            "steadfast_memory_grows_refused_total",
            "Calls of memory.grow that were refused.",
            seen.grows_refused,
        )?;
        seen.cache
            .as_ref()
            .map_or(Ok(()), |cache| OfCache(cache).fmt(f))
    }
}

/// The same of a cache alone, where no more is known.
#[derive(Clone, Copy, Debug)]
pub struct OfCache<'a>(pub &'a Stats);

impl fmt::Display for OfCache<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of_pools: Vec<Vec<Figure>> = self
            .0
            .pools
            .iter()
            .map(|pool| pool.figures().collect())
            .collect();
        // What each pool counts is told of each pool alone: a scraper adds it up.
        let is_of_pools = |name: &str| of_pools[0].iter().any(|figure| figure.name == name);
        for figure in self.0.figures().filter(|figure| !is_of_pools(figure.name)) {
            if let Some(value) = figure.value {
                one(f, figure.kind, &metric(&figure), figure.help, value)?;
            }
        }
        for (place, figure) in of_pools[0].iter().enumerate() {
            let name = metric(figure);
            let values: Vec<(&str, u64)> = POOLS
                .into_iter()
                .zip(&of_pools)
                .filter_map(|(pool, figures)| Some((pool, figures[place].value?)))
                .collect();
            if !values.is_empty() {
                head(f, figure.kind, &name, figure.help)?;
            }
            for (pool, value) in values {
                writeln!(f, "{name}{{pool=\"{pool}\"}} {value}")?;
            }
        }
        Ok(())
    }
}

/// The metric that shows a figure of a cache.
fn metric(figure: &Figure) -> String {
    let total = if figure.kind == Kind::Counter {
        "_total"
    } else {
        ""
    };
    format!("steadfast_cache_{}{total}", figure.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_of_a_cache_have_the_names_that_scrapers_know() {
        let mut stats = Stats {
            capacity_bytes: 11,
            entries: 12,
            inserts: 13,
            relocated: 14,
            ..Stats::default()
        };
        stats.pools[0].quota_bytes = u32::MAX;
        stats.pools[1].quota_bytes = 15;
        stats.pools[2].quota_bytes = u32::MAX;
        stats.pools[2].hits = 16;
        let text = OfCache(&stats).to_string();
        for line in [
            "# HELP steadfast_cache_capacity_bytes The cache's region, header and index included.",
            "# TYPE steadfast_cache_capacity_bytes gauge",
            "steadfast_cache_capacity_bytes 11",
            "steadfast_cache_used_bytes{pool=\"main\"} 0",
            "steadfast_cache_quota_bytes{pool=\"views\"} 15",
            "steadfast_cache_entries{pool=\"main\"} 0",
            "# TYPE steadfast_cache_hits_total counter",
            "steadfast_cache_hits_total{pool=\"application\"} 16",
            "steadfast_cache_misses_total{pool=\"main\"} 0",
            "steadfast_cache_evictions_total{pool=\"main\"} 0",
            "steadfast_cache_inserts_total 13",
            "steadfast_cache_displaced_total 0",
            "steadfast_cache_window_evictions_total 0",
            "steadfast_cache_refused_total 0",
            "steadfast_cache_faults_total 0",
            "steadfast_cache_relocated_total 14",
        ] {
            assert!(text.lines().any(|said| said == line), "{line}\n{text}");
        }
        // A quota that is not set is not a number, and what pools count is told of pools alone.
        assert_eq!(text.matches("steadfast_cache_quota_bytes{").count(), 1);
        assert!(!text.contains("steadfast_cache_entries 12"));
    }
}
