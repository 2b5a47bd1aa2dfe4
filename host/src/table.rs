//! A report as people read it.

use std::borrow::Cow;
use std::fmt;

use steadfast::format::{FORMAT_VERSION, Kind, Stats};

use crate::instance_stats::InstanceStats;
use crate::lookups::Lookups;
use crate::report::Report;

/// Shows a report as lines of a name and a figure, in two columns.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a>(pub &'a Report);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&write_rows(&rows(self.0)))
    }
}

/// What is said in place of a heap or a plan where `steadfast::plan!` is missing.
const OWN_ALLOCATOR: &str = "none: the module has its own allocator";

/// A name and a figure.
pub type Row = (Cow<'static, str>, String);

/// Rows as aligned lines.
pub fn write_rows(rows: &[Row]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, figure)| format!("{name:<width$}  {figure}\n"))
        .collect()
}

/// What the instance info and the region of one instance tell: heap, region, and each of the
/// cache's counters.
pub fn instance_rows(seen: &InstanceStats) -> Vec<Row> {
    let mut rows = map_rows(seen);
    if let Some(heap) = seen.heap_use {
        let held = bytes(heap.held_bytes.into());
        rows.push((
            "heap held".into(),
            format!("{held} in slabs and large blocks, at the end"),
        ));
        rows.push(("heap peak".into(), peak(heap.peak_bytes)));
        let left = seen.heap.bytes.saturating_sub(heap.reached_bytes);
        rows.push((
            "heap reached".into(),
            format!(
                "{} of the budget, {} never used",
                bytes(heap.reached_bytes.into()),
                bytes(left.into())
            ),
        ));
        let largest = bytes(heap.largest_bytes.into());
        rows.push((
            "largest block".into(),
            format!("{largest}, of those that are not in slabs"),
        ));
    }
    rows.push(grows(seen.grows_asked.into(), seen.grows_refused.into()));
    let Some(cache) = &seen.cache else {
        let told = match seen.other_format {
            Some(found) => other_format(found),
            None => "none was opened in the region".to_string(),
        };
        rows.push(("cache".into(), told));
        return rows;
    };
    rows.extend(shown("cache start", seen.cache_start));
    rows.extend(cache_use_rows(cache));
    rows
}

/// What is said of a region of a format version that this tool does not read.
pub(crate) fn other_format(found: u32) -> String {
    format!(
        "its region has format version {found}, and this tool reads {FORMAT_VERSION}: build the module with the steadfast of this tool; its cache is not kept"
    )
}

/// What a region's header tells: each of the cache's counters.
pub fn cache_use_rows(cache: &Stats) -> Vec<Row> {
    let mut rows = cache_rows(Some(cache));
    for (name, pool) in ["main pool", "views' pool", "application's pool"]
        .into_iter()
        .zip(&cache.pools)
    {
        let quota = match pool.quota_bytes {
            u32::MAX => String::new(),
            quota => format!(" of {}", bytes(quota.into())),
        };
        let figure = format!(
            "{} in {}{}, {} hits, {} misses, {} evicted",
            counted(pool.entries.into(), "entry", "entries"),
            bytes(pool.used_bytes.into()),
            quota,
            grouped(pool.hits),
            grouped(pool.misses),
            grouped(pool.evictions)
        );
        rows.push((name.into(), figure));
    }
    let of_pools: Vec<&str> = cache.pools[0].figures().map(|it| it.name).collect();
    for figure in cache.figures() {
        if figure.kind == Kind::Counter && !of_pools.contains(&figure.name) {
            let name = format!("cache {}", figure.name.replace('_', " "));
            let what = figure.help.trim_end_matches('.').to_lowercase();
            let value = grouped(figure.value.unwrap_or(0));
            rows.push((name.into(), format!("{value} ({what})")));
        }
    }
    rows
}

fn rows(report: &Report) -> Vec<Row> {
    let mut rows = vec![
        ("blocks".into(), grouped(report.blocks)),
        ("ceiling".into(), bytes(report.ceiling_bytes)),
    ];
    if let Some(plan) = &report.plan {
        let planned = format!(
            "region at {:#010x}, at most {}, {}",
            plan.region_base,
            bytes(plan.region_max),
            plan.policy
        );
        rows.push(("plan".into(), planned));
    } else if report.is_stripped {
        rows.push((
            "plan".into(),
            "stripped, with the module's custom sections".into(),
        ));
    } else {
        rows.push(("plan".into(), OWN_ALLOCATOR.into()));
    }
    rows.extend(memory_rows(report));
    rows.push(grows(report.grows.asked, report.grows.refused));
    if let Some(most) = report.heap_peak_bytes {
        rows.push(("heap peak".into(), peak(most)));
    }
    if report.cache.is_some() {
        let figure = format!(
            "{} of {} began with an empty cache",
            grouped(report.cold_blocks),
            counted(report.blocks, "block", "blocks")
        );
        rows.push(("cold starts".into(), figure));
    }
    rows.extend(cache_rows(report.cache.as_ref()));
    let found = report.other_format();
    rows.extend(found.map(|found| ("cache".into(), other_format(found))));
    rows.push((
        "state reads".into(),
        format!(
            "{} asked for, {} had a value, {} of values in all",
            counted(report.imports.get_lens, "key", "keys"),
            grouped(report.imports.gets),
            bytes(report.imports.get_bytes)
        ),
    ));
    rows.push((
        "state writes".into(),
        format!(
            "{} in {}, {} of messages in all",
            counted(report.written_pairs, "pair", "pairs"),
            counted(report.imports.flushes, "flush", "flushes"),
            bytes(report.imports.flush_bytes)
        ),
    ));
    let time = milliseconds(report.guest_ns);
    rows.push((
        "guest time".into(),
        format!("{time} in the module and its imports"),
    ));
    rows.extend(
        report
            .fuel
            .map(|fuel| ("fuel".into(), format!("{} instructions", grouped(fuel)))),
    );
    if let Some(host) = report.host {
        let (resident, peak) = (bytes(host.resident_bytes), bytes(host.peak_bytes));
        rows.push((
            "host memory".into(),
            format!("{resident} resident in this process, {peak} at most"),
        ));
    }
    rows.extend(shown("state digest", report.state_digest));
    rows.extend(shown("heap-trace digest", report.heap_digest));
    rows
}

/// The address map of the last block.
fn memory_rows(report: &Report) -> Vec<Row> {
    let Some(last) = &report.last else {
        return Vec::new();
    };
    let mut rows = last.observed.as_ref().map_or_else(Vec::new, map_rows);
    rows.push(("memory".into(), bytes(last.memory_bytes)));
    rows
}

/// Heap and region, by address.
fn map_rows(seen: &InstanceStats) -> Vec<Row> {
    let heap = match seen.heap.bytes {
        0 => OWN_ALLOCATOR.to_string(),
        bytes => span(seen.heap.start, bytes),
    };
    let mut rows = vec![("heap".into(), heap)];
    if seen.c_heap.bytes > 0 {
        rows.push((
            "heap of C".into(),
            span(seen.c_heap.start, seen.c_heap.bytes),
        ));
    }
    let granted = format!(
        "{}, {}",
        span(seen.region.start, seen.region.bytes),
        seen.region_outcome
    );
    rows.push(("region".into(), granted));
    let limit = bytes(seen.cache_limit_bytes.into());
    rows.push((
        "cache limit".into(),
        format!("{limit} of the region at most"),
    ));
    rows.push((
        "adopted".into(),
        format!(
            "{} of memory that was there already",
            counted(seen.adopted_pages.into(), "page", "pages")
        ),
    ));
    rows
}

fn cache_rows(cache: Option<&Stats>) -> Vec<Row> {
    let Some(cache) = cache else {
        return Vec::new();
    };
    let (hits, misses) = (cache.hits, cache.misses);
    let hit_ratio = Lookups { hits, misses }.hit_ratio();
    let hit_rate = hit_ratio.map_or_else(String::new, |ratio| format!(" ({:.1} %)", 100.0 * ratio));
    vec![
        (
            "cache lookups".into(),
            format!(
                "{}{hit_rate}, {}",
                counted(cache.hits, "hit", "hits"),
                counted(cache.misses, "miss", "misses")
            ),
        ),
        (
            "cache entries".into(),
            format!(
                "{} in {} of {}",
                counted(cache.entries.into(), "entry", "entries"),
                bytes(cache.used_bytes.into()),
                bytes(cache.capacity_bytes.into())
            ),
        ),
        (
            "cache evictions".into(),
            format!(
                "{} least recently used, {} for an index slot, {} to clear room for a large value",
                grouped(cache.evictions),
                grouped(cache.displaced),
                grouped(cache.window_evictions)
            ),
        ),
    ]
}

fn grows(asked: u64, refused: u64) -> Row {
    let refused = grouped(refused);
    let figure = format!("{}, {refused} refused", counted(asked, "call", "calls"));
    ("memory.grow".into(), figure)
}

fn peak(bytes_held: u32) -> String {
    format!(
        "{}, the most that was held at once",
        bytes(bytes_held.into())
    )
}

fn shown(name: &'static str, figure: Option<impl fmt::Display>) -> Option<Row> {
    figure.map(|figure| (name.into(), figure.to_string()))
}

fn span(start: u32, length: u32) -> String {
    let end = u64::from(start) + u64::from(length);
    format!("{start:#010x}..{end:#010x} ({})", bytes(length.into()))
}

fn milliseconds(ns: u64) -> String {
    format!("{:.3} ms", ns as f64 / 1e6)
}

/// A number of bytes: exact, in the largest unit that divides it or with the nearest behind it.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u32); 3] = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let largest = UNITS.iter().find(|(_, shift)| bytes >> shift > 0);
    match largest {
        None => format!("{bytes} B"),
        Some((unit, shift)) if bytes.trailing_zeros() >= *shift => {
            format!("{} {unit}", bytes >> shift)
        }
        Some((unit, shift)) => {
            let rounded = bytes as f64 / f64::from(1u32 << shift);
            format!("{} B ({rounded:.1} {unit})", grouped(bytes))
        }
    }
}

/// A number with its digits in groups of three.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number of things.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!(
        "{} {}",
        grouped(number),
        if number == 1 { one } else { many }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_exact_and_readable() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1 KiB");
        assert_eq!(bytes(1 << 32), "4 GiB");
        assert_eq!(bytes(1_500_000), "1,500,000 B (1.4 MiB)");
    }

    #[test]
    fn digits_are_grouped_in_threes() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(702_861), "702,861");
        assert_eq!(grouped(1_000_000), "1,000,000");
    }
}
