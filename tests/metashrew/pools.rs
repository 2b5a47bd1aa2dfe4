//! Views at their heights, and the application's own entries.

use super::{begin, bytes, on_host, reads};
use steadfast::metashrew::lru_cache::*;
use steadfast::metashrew::*;

#[test]
fn a_view_at_one_height_never_sees_anothers_entries() {
    set_cache_mode(CacheAllocationMode::View);
    for height in [5, 6, u32::MAX] {
        on_host("key", &height.to_string());
        set_view_for_height(height);
        assert_eq!(get_view_height(), Some(height));
        assert_eq!(get(bytes("key")), bytes(&height.to_string()));
        clear_view_cache();
        assert_eq!(get_view_height(), None);
    }
    assert_eq!(reads(), 3);
    for height in [5, 6, u32::MAX] {
        set_view_for_height(height);
        assert_eq!(get(bytes("key")), bytes(&height.to_string()));
        assert_eq!(
            get_height_partitioned_cache(height, &bytes("key")),
            Some(get(bytes("key")))
        );
        clear_view_cache();
    }
    assert_eq!(reads(), 3);
    assert_eq!(get_height_partitioned_cache(7, &bytes("key")), None);
    assert_eq!(get_lru_cache(&bytes("key")), None);
    assert_eq!(api_cache_get("key"), None);
}

/// Both have room in the indexer's mode too, if little.
#[test]
fn the_pools_are_apart_in_either_mode() {
    for mode in [CacheAllocationMode::Indexer, CacheAllocationMode::View] {
        set_cache_allocation_mode(mode);
        assert_eq!(get_cache_mode(), mode);
        set_lru_cache(bytes("key"), bytes("main"));
        set_height_partitioned_cache(1, bytes("key"), bytes("one"));
        set_height_partitioned_cache(2, bytes("key"), bytes("two"));
        cache_set("key".into(), bytes("application"));
        assert_eq!(get_lru_cache(&bytes("key")), Some(bytes("main")));
        assert_eq!(
            get_height_partitioned_cache(1, &bytes("key")),
            Some(bytes("one"))
        );
        assert_eq!(
            get_height_partitioned_cache(2, &bytes("key")),
            Some(bytes("two"))
        );
        assert_eq!(cache_get("key"), Some(bytes("application")));
        assert_eq!(get_cache_stats().items, 4);
        assert_eq!(cache_remove("key"), Some(bytes("application")));
        assert_eq!(cache_remove("key"), None);
        assert_eq!(get_cache_stats().items, 3);
    }
}

#[test]
fn a_views_writes_are_its_own() {
    on_host("key", "stored");
    set_lru_cache(bytes("key"), bytes("stored"));
    set_view_for_height(8);
    set(bytes("key"), bytes("view"));
    assert_eq!(get(bytes("key")), bytes("view"));
    clear_view_cache();
    assert_eq!(get(bytes("key")), bytes("stored"));
    set(bytes("key"), bytes("block"));
    clear_view_cache();
    assert_eq!(
        get(bytes("key")),
        bytes("block"),
        "where no view was, nothing ends"
    );
}

/// What views have seen at a height is not believed once the chain has another block there.
#[test]
fn a_reorganisation_reaches_the_views() {
    begin(400);
    flush();
    begin(401);
    flush();
    for height in [400, 401] {
        set_height_partitioned_cache(height, bytes("key"), bytes("old"));
    }
    begin(401);
    assert!(get_height_partitioned_cache(400, &bytes("key")).is_some());
    assert!(get_height_partitioned_cache(401, &bytes("key")).is_none());
}

/// A view's input has its height in front too: it is no block.
#[test]
fn a_views_input_leaves_the_blocks_entries() {
    begin(500);
    set(bytes("key"), bytes("500"));
    flush();
    set_view_for_height(3);
    begin(3);
    clear_view_cache();
    begin(501);
    assert_eq!(get(bytes("key")), bytes("500"));
    assert_eq!(reads(), 0);
}
