//! Detection, the actual limit, statistics and efficiency of the metashrew cache, from end to end.
//!
//! `cargo run --example lru_memory_detection_example`

use std::sync::Arc;

use steadfast::metashrew::lru_cache::{
    CacheAllocationMode, detect_available_memory, get_actual_lru_cache_memory_limit,
    get_cache_stats, get_lru_cache, get_min_lru_cache_memory_limit, initialize_lru_cache,
    is_cache_below_recommended_minimum, set_cache_allocation_mode, set_lru_cache,
};
use steadfast::metashrew::set_log_sink;

/// Entries that are written.
const ENTRIES: u32 = 1_000;

/// Runs the example.
pub fn main() {
    set_log_sink(|level, line| println!("log: {level:?}: {line}"));

    println!("1. Detection");
    let detected = detect_available_memory();
    println!("   detected memory: {}", size(detected));

    println!("2. The actual limit");
    let limit = get_actual_lru_cache_memory_limit();
    println!("   actual limit: {}", size(limit));
    println!("   recommended: {}", size(get_min_lru_cache_memory_limit()));
    println!(
        "   below the recommended minimum: {}",
        is_cache_below_recommended_minimum()
    );

    println!("3. Initialisation");
    set_cache_allocation_mode(CacheAllocationMode::Indexer);
    initialize_lru_cache();

    println!("4. Operations");
    for number in 0..ENTRIES {
        set_lru_cache(key(number), value(number));
    }
    let mut found = 0;
    for number in 0..ENTRIES {
        if let Some(held) = get_lru_cache(&key(number)) {
            assert_eq!(held, value(number));
            found += 1;
        }
    }
    println!("   {found} of {ENTRIES} entries found");

    println!("5. Statistics");
    let stats = get_cache_stats();
    println!("   items: {}", stats.items);
    println!("   memory usage: {}", size(stats.memory_usage));
    println!("   hits: {}", stats.hits);
    println!("   misses: {}", stats.misses);
    println!("   evictions: {}", stats.evictions);

    println!("6. Efficiency");
    let payload: usize = (0..ENTRIES)
        .filter(|&number| get_lru_cache(&key(number)).is_some())
        .map(|number| key(number).len() + value(number).len())
        .sum();
    println!(
        "   of the limit in use: {:.4}%",
        percent(stats.memory_usage, limit)
    );
    println!(
        "   of that keys and values: {:.1}%",
        percent(payload, stats.memory_usage)
    );
    println!("done");
}

fn key(number: u32) -> Arc<Vec<u8>> {
    Arc::new(format!("/test/key/{number}").into_bytes())
}

fn value(number: u32) -> Arc<Vec<u8>> {
    Arc::new(vec![number as u8; 100])
}

fn size(bytes: usize) -> String {
    format!("{bytes} bytes ({} MB)", bytes >> 20)
}

fn percent(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64 * 100.0
}
