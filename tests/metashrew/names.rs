//! Every name, with its signature, called once.

use std::sync::Arc;

use super::bytes;
use steadfast::metashrew::{self, allocator, key_parser, lru_cache};

type Bytes = Arc<Vec<u8>>;

/// Takes a function by its full type, so that another signature does not compile.
macro_rules! name {
    ($path:path as $type:ty) => {{
        let function: $type = $path;
        function
    }};
}

#[test]
fn lru_cache_has_metashrews_names() {
    use lru_cache::*;
    name!(initialize_lru_cache as fn())();
    assert!(name!(is_lru_cache_initialized as fn() -> bool)());
    let detected = name!(detect_available_memory as fn() -> usize)();
    assert_eq!(
        name!(get_actual_lru_cache_memory_limit as fn() -> usize)(),
        detected
    );
    assert_eq!(
        name!(get_min_lru_cache_memory_limit as fn() -> usize)(),
        64 << 20
    );
    assert!(!name!(is_cache_below_recommended_minimum as fn() -> bool)());
    name!(ensure_preallocated_memory as fn())();
    name!(set_cache_allocation_mode as fn(CacheAllocationMode))(CacheAllocationMode::View);
    let mode = name!(get_cache_allocation_mode as fn() -> CacheAllocationMode)();
    assert_eq!(format!("{:?}", Clone::clone(&mode)), "View");
    name!(set_lru_cache as fn(Bytes, Bytes))(bytes("k"), bytes("main"));
    assert_eq!(
        name!(get_lru_cache as fn(&Bytes) -> Option<Bytes>)(&bytes("k")),
        Some(bytes("main"))
    );
    name!(api_cache_set as fn(String, Bytes))("k".into(), bytes("api"));
    assert_eq!(
        name!(api_cache_get as fn(&str) -> Option<Bytes>)("k"),
        Some(bytes("api"))
    );
    assert_eq!(
        name!(api_cache_remove as fn(&str) -> Option<Bytes>)("k"),
        Some(bytes("api"))
    );
    name!(set_height_partitioned_cache as fn(u32, Bytes, Bytes))(7, bytes("k"), bytes("view"));
    let view =
        name!(get_height_partitioned_cache as fn(u32, &Bytes) -> Option<Bytes>)(7, &bytes("k"));
    assert_eq!(view, Some(bytes("view")));
    name!(set_view_height as fn(u32))(7);
    assert_eq!(name!(get_view_height as fn() -> Option<u32>)(), Some(7));
    name!(clear_view_height as fn())();
    let stats = name!(get_cache_stats as fn() -> CacheStats)();
    let CacheStats {
        hits,
        misses,
        items,
        memory_usage,
        evictions,
    } = stats.clone();
    let _: (u64, u64, usize, usize, u64) = (hits, misses, items, memory_usage, evictions);
    assert_eq!((hits, misses, items, evictions), (3, 0, 2, 0));
    assert_eq!(
        name!(get_total_memory_usage as fn() -> usize)(),
        memory_usage
    );
    assert_eq!(CacheStats::default().items, 0);
    name!(force_evict_to_target as fn())();
    name!(force_evict_to_target_percentage as fn(u32))(0);
    name!(flush_to_lru as fn())();
    name!(force_reinitialize_caches as fn())();
    name!(clear_lru_cache as fn())();
    assert_eq!(get_total_memory_usage(), 0);
}

#[test]
fn lru_cache_has_metashrews_names_for_debugging() {
    use lru_cache::*;
    name!(enable_lru_debug_mode as fn())();
    assert!(name!(is_lru_debug_mode_enabled as fn() -> bool)());
    let config = PrefixAnalysisConfig {
        min_prefix_length: 8,
        max_prefix_length: 64,
        min_keys_per_prefix: 3,
    };
    name!(set_prefix_analysis_config as fn(PrefixAnalysisConfig))(config);
    let config = name!(get_prefix_analysis_config as fn() -> PrefixAnalysisConfig)();
    assert_eq!(config, PrefixAnalysisConfig::default());
    for number in 0..3 {
        let _ = get_lru_cache(&bytes(&format!("/prefixes/{number}")));
    }
    let stats = name!(get_lru_debug_stats as fn() -> LruDebugStats)();
    let LruDebugStats {
        cache_stats,
        prefix_stats,
        total_prefixes,
        min_prefix_length,
        max_prefix_length,
    } = stats;
    let _: (CacheStats, usize, usize) = (cache_stats, min_prefix_length, max_prefix_length);
    assert_eq!(total_prefixes, 1);
    let KeyPrefixStats {
        prefix,
        prefix_readable,
        hits,
        misses,
        unique_keys,
        hit_percentage,
    } = prefix_stats[0].clone();
    let _: (String, f64) = (prefix, hit_percentage);
    assert_eq!(
        (prefix_readable.as_str(), hits, misses, unique_keys),
        ("/prefixes/", 0, 3, 3)
    );
    assert!(name!(generate_lru_debug_report as fn() -> String)().contains("KEY PREFIX ANALYSIS"));
    assert!(name!(get_comprehensive_memory_report as fn() -> String)().contains("MEMORY"));
    name!(clear_prefix_hit_stats as fn())();
    name!(disable_lru_debug_mode as fn())();
}

#[test]
fn lru_cache_has_metashrews_types() {
    use lru_cache::{ApiCacheKey, CacheKey, CacheValue, HeightPartitionedKey};
    let value = CacheValue::from(bytes("v"));
    assert_eq!(Bytes::from(value.clone()), bytes("v"));
    assert_eq!(value, CacheValue(bytes("v")));
    assert_eq!(Bytes::from(CacheKey::from(bytes("k"))), bytes("k"));
    assert_eq!(String::from(ApiCacheKey::from("k".to_string())), "k");
    let HeightPartitionedKey { height, key } = HeightPartitionedKey::from((7, bytes("k")));
    assert_eq!((height, key), (7, bytes("k")));
    // As lru-mem counts them: the reference, the vector, the bytes.
    let shared = size_of::<Bytes>() + size_of::<Vec<u8>>() + 1;
    assert_eq!(CacheValue(bytes("v")).heap_size(), shared);
    assert_eq!(CacheKey(bytes("k")).heap_size(), shared);
    let text = ApiCacheKey("k".to_string());
    assert_eq!(text.heap_size(), size_of::<String>() + 1);
    let partitioned = HeightPartitionedKey::from((7, bytes("k")));
    assert_eq!(partitioned.heap_size(), 4 + shared);
    assert_eq!(
        CacheValue(bytes("v")).mem_size(),
        size_of::<CacheValue>() + shared
    );
}

#[test]
fn the_cache_is_there_once_it_was_used() {
    assert!(!metashrew::is_lru_cache_available());
    metashrew::initialize();
    assert!(metashrew::is_lru_cache_available());
}

#[test]
fn the_log_has_metashrews_names() {
    use metashrew::{print, println, stdout};
    use std::fmt::Write;
    print!("{} ", 1);
    println!("two {three}", three = 3);
    println!();
    writeln!(stdout(), "four").unwrap();
    let logged = metashrew::host::stand_in::with(|host| host.log.concat());
    assert_eq!(logged, "1 two 3\n\nfour\n");
}

#[test]
fn key_parser_has_metashrews_names() {
    use key_parser::{KeyParseConfig, parse_key_default, parse_key_enhanced, parse_key_readable};
    let config = KeyParseConfig {
        max_utf8_segment_length: 32,
        max_binary_segment_length: 16,
        show_full_short_binary: true,
        min_utf8_segment_length: 2,
    };
    assert_eq!(config, lru_cache::key_parser::KeyParseConfig::default());
    let key = b"/blockhash/byheight/\x01\x00\x00\x00";
    let readable = name!(parse_key_readable as fn(&[u8], &KeyParseConfig) -> String)(key, &config);
    assert_eq!(readable, "/blockhash/byheight/01000000");
    assert_eq!(
        name!(parse_key_default as fn(&[u8]) -> String)(key),
        readable
    );
    let enhanced = name!(parse_key_enhanced as fn(&[u8], &KeyParseConfig) -> String)(key, &config);
    assert_eq!(
        name!(metashrew::parse_cache_key as fn(&[u8]) -> String)(key),
        readable
    );
    assert_eq!(
        name!(metashrew::parse_cache_key_enhanced as fn(&[u8]) -> String)(key),
        enhanced
    );
    let with =
        name!(metashrew::parse_cache_key_with_config as fn(&[u8], &KeyParseConfig) -> String);
    assert_eq!(with(key, &config), readable);
}

#[test]
fn the_core_has_metashrews_names() {
    use lru_cache::{CacheAllocationMode, CacheStats};
    use metashrew::*;
    name!(initialize as fn())();
    assert!(name!(is_lru_cache_available as fn() -> bool)());
    assert!(name!(input as fn() -> Vec<u8>)().is_empty());
    name!(set as fn(Bytes, Bytes))(bytes("k"), bytes("v"));
    assert_eq!(name!(get as fn(Bytes) -> Bytes)(bytes("k")), bytes("v"));
    name!(flush_to_lru as fn())();
    name!(flush as fn())();
    assert_eq!(name!(export_bytes as fn(Vec<u8>) -> i32)(vec![1]), 0);
    assert_eq!(
        name!(get_actual_cache_memory_limit as fn() -> usize)(),
        lru_cache::detect_available_memory()
    );
    assert_eq!(
        name!(get_min_cache_memory_limit as fn() -> usize)(),
        64 << 20
    );
    assert!(!name!(is_cache_below_minimum as fn() -> bool)());
    let stats = name!(lru_cache_stats as fn() -> CacheStats)();
    assert_eq!(
        name!(lru_cache_memory_usage as fn() -> usize)(),
        stats.memory_usage
    );
    name!(cache_set as fn(String, Bytes))("k".into(), bytes("v"));
    assert_eq!(
        name!(cache_get as fn(&str) -> Option<Bytes>)("k"),
        Some(bytes("v"))
    );
    assert_eq!(
        name!(cache_remove as fn(&str) -> Option<Bytes>)("k"),
        Some(bytes("v"))
    );
    name!(set_cache_mode as fn(CacheAllocationMode))(CacheAllocationMode::View);
    let _ = name!(get_cache_mode as fn() -> CacheAllocationMode)();
    name!(set_view_for_height as fn(u32))(5);
    name!(clear_view_cache as fn())();
    name!(force_evict_to_target_percentage as fn(u32))(50);
    name!(enable_lru_debug_mode as fn())();
    assert!(name!(is_lru_debug_mode_enabled as fn() -> bool)());
    let config = name!(get_prefix_analysis_config as fn() -> PrefixAnalysisConfig)();
    name!(set_prefix_analysis_config as fn(PrefixAnalysisConfig))(config);
    let LruDebugStats { prefix_stats, .. } = name!(get_lru_debug_stats as fn() -> LruDebugStats)();
    let _: Vec<KeyPrefixStats> = prefix_stats;
    assert!(!name!(generate_lru_debug_report as fn() -> String)().is_empty());
    assert!(!name!(get_comprehensive_memory_report as fn() -> String)().is_empty());
    name!(clear_prefix_hit_stats as fn())();
    name!(disable_lru_debug_mode as fn())();
    name!(reset as fn())();
    name!(clear as fn())();
    assert_eq!(lru_cache_memory_usage(), 0);
}

#[test]
fn the_allocator_has_metashrews_names() {
    use allocator::*;
    name!(enable_preallocated_allocator as fn())();
    assert!(name!(is_preallocated_allocator_enabled as fn() -> bool)());
    name!(ensure_preallocated_memory as fn())();
    lru_cache::set_lru_cache(bytes("k"), bytes("v"));
    let (used, total, percentage) =
        name!(get_allocator_usage_stats as fn() -> (usize, usize, f64))();
    assert_eq!(
        (used, total),
        (
            lru_cache::get_total_memory_usage(),
            name!(detect_available_memory as fn() -> usize)()
        )
    );
    assert_eq!(
        name!(get_actual_lru_cache_memory_limit as fn() -> usize)(),
        total
    );
    assert!(percentage > 0.0 && percentage < 1.0);
    name!(reset_preallocated_allocator as fn())();
    name!(shutdown_preallocated_allocator as fn())();
    assert_eq!(get_allocator_usage_stats(), (0, 0, 0.0));
    assert_eq!(lru_cache::get_total_memory_usage(), 0);
    name!(disable_preallocated_allocator as fn())();
    // The names that metashrew-support has them by.
    assert_eq!(
        lru_cache::is_preallocated_allocator_enabled(),
        is_preallocated_allocator_enabled()
    );
}
