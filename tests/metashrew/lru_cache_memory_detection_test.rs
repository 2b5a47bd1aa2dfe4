//! Detection of memory, and the cache at what was detected.

use std::panic::catch_unwind;
use std::sync::Arc;

use super::bytes;
use steadfast::metashrew::lru_cache::*;
use steadfast::metashrew::{self, host::stand_in};
use steadfast::{Bytes, Plan};

const MIB: usize = 1 << 20;

#[test]
fn detection_is_reasonable_and_always_the_same() {
    let detected = detect_available_memory();
    assert!((32 * MIB..=1024 * MIB).contains(&detected), "{detected}");
    for _ in 0..5 {
        assert_eq!(detect_available_memory(), detected);
    }
}

#[test]
fn the_actual_limit_is_what_was_detected() {
    let limit = get_actual_lru_cache_memory_limit();
    assert_eq!(limit, detect_available_memory());
    assert_eq!(get_min_lru_cache_memory_limit(), 64 * MIB);
    assert_eq!(is_cache_below_recommended_minimum(), limit < 64 * MIB);
}

#[test]
fn the_recommended_minimum_is_not_below_itself() {
    const PAGE: usize = 64 << 10;
    for (bytes, is_below) in [(64 * MIB, false), (64 * MIB - PAGE, true)] {
        stand_in::instance(|| {
            let max = Bytes::new(bytes as u64);
            steadfast::reserve_with(&Plan::DEFAULT.with_region_max(max));
            assert_eq!(detect_available_memory(), bytes);
            assert_eq!(is_cache_below_recommended_minimum(), is_below);
        });
        let log = stand_in::with(|host| std::mem::take(&mut host.log).concat());
        assert_eq!(
            log.contains("below its recommended minimum"),
            is_below,
            "{log}"
        );
    }
}

#[test]
fn initialisation_and_preallocation_never_panic() {
    for mode in [CacheAllocationMode::Indexer, CacheAllocationMode::View] {
        set_cache_allocation_mode(mode);
        let calm = catch_unwind(|| {
            initialize_lru_cache();
            ensure_preallocated_memory();
            force_reinitialize_caches();
            initialize_lru_cache();
        });
        assert!(calm.is_ok() && is_lru_cache_initialized());
    }
}

#[test]
fn entries_can_be_read_back_after_initialisation() {
    force_reinitialize_caches();
    initialize_lru_cache();
    set_lru_cache(bytes("key"), bytes("value"));
    assert_eq!(get_lru_cache(&bytes("key")), Some(bytes("value")));
    assert_eq!(get_lru_cache(&bytes("other")), None);
    let stats = get_cache_stats();
    assert_eq!((stats.hits, stats.misses, stats.items), (1, 1, 1));
    assert!(stats.memory_usage > 8 && stats.memory_usage == get_total_memory_usage());
}

#[test]
fn the_limit_holds_whatever_is_written() {
    let limit = get_actual_lru_cache_memory_limit();
    let hundredth = Arc::new(vec![42; limit / 100]);
    for number in 0..130 {
        set_lru_cache(bytes(&format!("key {number}")), hundredth.clone());
        assert!(get_total_memory_usage() <= limit);
    }
    let stats = get_cache_stats();
    assert!((90..100).contains(&stats.items), "{stats:?}");
    assert_eq!(stats.items as u64 + stats.evictions, 130);
    assert_eq!(get_lru_cache(&bytes("key 0")), None);
    assert_eq!(get_lru_cache(&bytes("key 129")), Some(hundredth));
}

#[test]
fn what_cannot_fit_is_not_stored_and_takes_its_older_value_along() {
    set_lru_cache(bytes("key"), bytes("old"));
    set_lru_cache(
        bytes("key"),
        Arc::new(vec![0; get_actual_lru_cache_memory_limit()]),
    );
    assert_eq!(get_lru_cache(&bytes("key")), None);
    assert_eq!(get_cache_stats().items, 0);
}

#[test]
fn view_mode_splits_the_region_between_views_and_application() {
    let limit = get_actual_lru_cache_memory_limit();
    set_lru_cache(bytes("main"), Arc::new(vec![1; 4096]));
    set_cache_allocation_mode(CacheAllocationMode::View);
    assert_eq!(
        get_lru_cache(&bytes("main")),
        None,
        "the main pool has no room"
    );
    let share = Arc::new(vec![7; limit / 40]);
    for number in 0..40 {
        set_height_partitioned_cache(9, bytes(&number.to_string()), share.clone());
    }
    let views = get_total_memory_usage();
    assert!(
        views <= limit / 2 && views > limit / 2 - 2 * share.len(),
        "{views}"
    );
    for number in 0..40 {
        api_cache_set(number.to_string(), share.clone());
    }
    let both = get_total_memory_usage();
    assert!(both <= limit && both > limit - 4 * share.len(), "{both}");
    assert!(get_height_partitioned_cache(9, &bytes("39")).is_some());
    assert!(api_cache_get("39").is_some() && api_cache_get("0").is_none());
}

#[test]
fn clearing_leaves_nothing() {
    set_lru_cache(bytes("a"), bytes("1"));
    api_cache_set("b".into(), bytes("2"));
    set_height_partitioned_cache(3, bytes("c"), bytes("3"));
    assert!(get_lru_cache(&bytes("a")).is_some());
    assert_eq!(get_cache_stats().items, 3);
    clear_lru_cache();
    assert_eq!(get_cache_stats(), CacheStats::default());
    assert_eq!(get_total_memory_usage(), 0);
    assert_eq!(get_lru_cache(&bytes("a")), None);
    assert_eq!(api_cache_get("b"), None);
    assert_eq!(get_height_partitioned_cache(3, &bytes("c")), None);
    assert_eq!(get_cache_stats().misses, 3);
}

#[test]
fn evictions_are_counted_one_for_one() {
    for number in 0..100 {
        set_lru_cache(bytes(&number.to_string()), Arc::new(vec![0; 1000]));
    }
    let before = get_total_memory_usage();
    force_evict_to_target();
    assert_eq!(
        get_total_memory_usage(),
        before,
        "within the limit there is nothing to do"
    );
    force_evict_to_target_percentage(50);
    let stats = get_cache_stats();
    assert!(
        stats.memory_usage <= before / 2 && stats.items >= 49,
        "{stats:?}"
    );
    assert_eq!(stats.items as u64 + stats.evictions, 100);
    assert!(get_lru_cache(&bytes("99")).is_some() && get_lru_cache(&bytes("0")).is_none());
    force_evict_to_target_percentage(1_000);
    assert_eq!(get_cache_stats().items, stats.items);
    force_evict_to_target_percentage(0);
    assert_eq!(get_total_memory_usage(), 0);
}

/// Whoever initialises first gets the lines.
#[test]
fn the_log_is_told_once_what_was_detected_and_reserved() {
    initialize_lru_cache();
    initialize_lru_cache();
    let bytes = detect_available_memory();
    let size = format!("{bytes} bytes ({} MB)", bytes >> 20);
    let expected = [
        format!("Detected feasible LRU cache size: {size}\n"),
        format!("Successfully preallocated {size}\n"),
    ];
    stand_in::with(|host| assert_eq!(host.log, expected));
}

/// As with no memory at all: everything works, and nothing is held.
#[test]
fn without_a_cache_everything_misses_and_nothing_fails() {
    let _elsewhere = steadfast::open_cache().unwrap();
    initialize_lru_cache();
    assert_eq!(detect_available_memory(), 0);
    assert!(is_cache_below_recommended_minimum());
    assert!(metashrew::is_cache_below_minimum());
    for mode in [CacheAllocationMode::Indexer, CacheAllocationMode::View] {
        set_cache_allocation_mode(mode);
        set_lru_cache(bytes("k"), bytes("v"));
        api_cache_set("k".into(), bytes("v"));
        set_height_partitioned_cache(1, bytes("k"), bytes("v"));
        assert_eq!(get_lru_cache(&bytes("k")), None);
        assert_eq!(api_cache_get("k"), None);
        assert_eq!(api_cache_remove("k"), None);
        assert_eq!(get_height_partitioned_cache(1, &bytes("k")), None);
        force_evict_to_target_percentage(10);
        assert_eq!(get_cache_stats(), CacheStats::default());
    }
    metashrew::set(bytes("k"), bytes("v"));
    metashrew::flush();
    super::begin(1);
    assert_eq!(metashrew::get(bytes("k")), bytes("v"));
    assert_eq!(metashrew::get(bytes("k")), bytes("v"));
    stand_in::with(|host| {
        assert_eq!(host.reads, 2);
        assert!(
            host.log[0].contains("run without a cache"),
            "{:?}",
            host.log
        );
        assert_eq!(
            host.log[1],
            "Detected feasible LRU cache size: 0 bytes (0 MB)\n"
        );
        assert!(host.log[2].contains("below its recommended minimum"));
        assert_eq!(host.log.len(), 3);
    });
}
