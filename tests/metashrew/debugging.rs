//! Debugging statistics and reports.

use super::bytes;
use steadfast::metashrew::lru_cache::{api_cache_get, get_lru_cache, set_lru_cache};
use steadfast::metashrew::*;

/// Looks up `keys` numbers under a prefix, `hits` of which are there.
fn look_up(prefix: &str, keys: usize, hits: usize) {
    for number in 0..keys {
        let key = bytes(&format!("{prefix}{number}\u{1}"));
        if number < hits {
            set_lru_cache(key.clone(), bytes("value"));
        }
        assert_eq!(get_lru_cache(&key).is_some(), number < hits);
    }
}

#[test]
fn lookups_are_noted_under_their_keys_prefix() {
    look_up("/before/enabled/", 9, 9);
    enable_lru_debug_mode();
    assert!(is_lru_debug_mode_enabled());
    look_up("/balances/", 10, 4);
    look_up("/outpoints/", 5, 5);
    look_up("/few/keys/", 2, 2);
    look_up("/short/", 9, 9);
    assert_eq!(api_cache_get("/outpoints/0"), None);
    let _ = get(bytes("/outpoints/0\u{1}"));
    let stats = get_lru_debug_stats();
    assert_eq!(
        (
            stats.total_prefixes,
            stats.min_prefix_length,
            stats.max_prefix_length
        ),
        (2, 8, 64)
    );
    assert_eq!(stats.cache_stats, lru_cache_stats());
    let [balances, outpoints] = &stats.prefix_stats[..] else {
        panic!("{stats:?}");
    };
    assert_eq!(balances.prefix_readable, "/balances/");
    assert_eq!(balances.prefix, "2f62616c616e6365732f");
    assert_eq!(
        (balances.hits, balances.misses, balances.unique_keys),
        (4, 6, 10)
    );
    assert_eq!(
        (outpoints.hits, outpoints.misses, outpoints.unique_keys),
        (6, 0, 5)
    );
    // 9 before, 4, 5, 2, 9, and one by `get`.
    assert_eq!(stats.cache_stats.hits, 30);
    assert!((balances.hit_percentage - 4.0 / 30.0 * 100.0).abs() < 1e-9);
    clear_prefix_hit_stats();
    assert!(get_lru_debug_stats().prefix_stats.is_empty());
}

#[test]
fn the_configuration_tells_which_prefixes_count() {
    assert_eq!(
        get_prefix_analysis_config(),
        PrefixAnalysisConfig::default()
    );
    let config = PrefixAnalysisConfig {
        min_prefix_length: 3,
        max_prefix_length: 8,
        min_keys_per_prefix: 1,
    };
    set_prefix_analysis_config(config.clone());
    assert_eq!(get_prefix_analysis_config(), config);
    enable_lru_debug_mode();
    let found = |key: &[u8]| {
        clear_prefix_hit_stats();
        let _ = get_lru_cache(&std::sync::Arc::new(key.to_vec()));
        let stats = get_lru_debug_stats().prefix_stats;
        stats.first().map(|prefix| prefix.prefix_readable.clone())
    };
    assert_eq!(found(b"/ab/cd").as_deref(), Some("/ab/"));
    assert_eq!(found(b"/ab/cd/efghi/").as_deref(), Some("/ab/cd/"));
    assert_eq!(found(b"/ab/\xFF/x/").as_deref(), Some("/ab/"));
    assert_eq!(found(b"/a b/"), None);
    assert_eq!(found("/é/é/".as_bytes()), None);
    assert_eq!(found(b"no slash"), None);
    assert_eq!(found(b""), None);
    set_prefix_analysis_config(PrefixAnalysisConfig::default());
}

#[test]
fn prefixes_stand_in_the_order_of_their_lookups() {
    enable_lru_debug_mode();
    // Neither hits nor misses alone tell the order.
    let asked = [
        ("/balances/", 9, 9),
        ("/outpoints/", 7, 0),
        ("/scripts/", 6, 4),
        ("/holders/", 5, 2),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        clear_prefix_hit_stats();
        for at in order {
            let (prefix, keys, hits) = asked[at];
            look_up(prefix, keys, hits);
        }
        let told = get_lru_debug_stats().prefix_stats;
        let told: Vec<&str> = told.iter().map(|one| &*one.prefix_readable).collect();
        assert_eq!(told, asked.map(|(prefix, ..)| prefix));
    }
}

/// A prefix that tells little more than a longer one is left out.
#[test]
fn the_more_specific_prefix_is_told() {
    enable_lru_debug_mode();
    look_up("/alkanes/", 5, 0);
    look_up("/alkanes/storage/", 5, 0);
    assert_eq!(get_lru_debug_stats().total_prefixes, 1);
    look_up("/alkanes/", 9, 0);
    assert_eq!(get_lru_debug_stats().total_prefixes, 2);
}

#[test]
fn reports_carry_their_headings_and_figures() {
    let disabled = generate_lru_debug_report();
    assert!(disabled.contains("LRU CACHE DEBUG REPORT") && disabled.contains("disabled"));
    enable_lru_debug_mode();
    let empty = generate_lru_debug_report();
    assert!(empty.contains("KEY PREFIX ANALYSIS") && empty.contains("No prefix"));
    look_up(&format!("/balances/{}/", "a".repeat(50)), 12, 7);
    let report = generate_lru_debug_report();
    for expected in [
        "LRU CACHE DEBUG REPORT",
        "KEY PREFIX ANALYSIS",
        "/balances/aaa",
        "Hits: 7",
        "Hit rate: 58.3%",
    ] {
        assert!(report.contains(expected), "{expected}: {report}");
    }
    disable_lru_debug_mode();
    assert!(!is_lru_debug_mode_enabled());
    let memory = get_comprehensive_memory_report();
    for expected in [
        "COMPREHENSIVE MEMORY USAGE REPORT",
        "LRU CACHE MEMORY USAGE",
        "Misses: 5",
    ] {
        assert!(memory.contains(expected), "{expected}: {memory}");
    }
}
