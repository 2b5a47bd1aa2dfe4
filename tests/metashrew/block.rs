//! A block's reads and writes, and what stays of them for the next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{begin, bytes, on_host, reads};
use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::lru_cache::{get_lru_cache, set_lru_cache};
use steadfast::metashrew::*;

#[test]
fn a_miss_is_loaded_once_and_a_hit_is_a_copy() {
    on_host("key", "value");
    let first = get(bytes("key"));
    let second = get(bytes("key"));
    assert_eq!((&first, &second), (&bytes("value"), &bytes("value")));
    assert!(!Arc::ptr_eq(&first, &second));
    assert_eq!(reads(), 1);
    let stats = lru_cache_stats();
    assert_eq!((stats.hits, stats.misses, stats.items), (1, 1, 1));
    // That there is nothing is known too.
    assert!(get(bytes("nothing")).is_empty());
    assert!(get(bytes("nothing")).is_empty());
    assert_eq!(reads(), 2);
}

#[test]
fn a_write_is_seen_at_once_and_flushed_in_order_with_its_last_value() {
    on_host("gone", "before");
    set(bytes("b"), bytes("1"));
    set(bytes("a"), bytes("2"));
    set(bytes("b"), bytes("3"));
    set(bytes("gone"), bytes(""));
    assert_eq!(get(bytes("b")), bytes("3"));
    assert!(get(bytes("gone")).is_empty());
    assert_eq!(reads(), 0);
    assert_eq!(
        lru_cache_stats().hits,
        0,
        "the writes at hand are no lookup"
    );
    flush_to_lru();
    flush();
    flush();
    stand_in::with(|host| {
        assert_eq!(host.flushes.len(), 2);
        assert_eq!(
            host.flushes[0],
            b"\x0A\x01b\x0A\x013\x0A\x01a\x0A\x012\x0A\x01b\x0A\x013\x0A\x04gone\x0A\x00"
        );
        assert!(host.flushes[1].is_empty(), "nothing is flushed twice");
        assert_eq!(host.store.len(), 2);
    });
    assert_eq!(get(bytes("b")), bytes("3"));
    assert!(get(bytes("gone")).is_empty());
    assert_eq!(reads(), 0, "what was written is in the cache");
}

#[test]
fn the_cache_persists_from_block_to_block() {
    for height in 100..110 {
        begin(height);
        let count = get(bytes("count")).first().copied().unwrap_or(0);
        set(bytes("count"), Arc::new(vec![count + 1]));
        set(bytes(&format!("block {height}")), bytes("hash"));
        flush_to_lru();
        flush();
    }
    assert_eq!(*get(bytes("count")), [10]);
    assert_eq!(reads(), 1);
    assert_eq!(lru_cache_stats().items, 11);
}

/// The same block may come again, or another one at its height: what was written from there on is
/// not believed.
#[test]
fn a_reorganisation_drops_what_it_could_have_changed() {
    for height in 200..205 {
        begin(height);
        set(bytes(&format!("block {height}")), bytes("old"));
        set(bytes("tip"), bytes(&height.to_string()));
        flush();
    }
    // The host has gone back to the state after block 202.
    for height in [203, 204] {
        on_host(&format!("block {height}"), "");
    }
    on_host("tip", "202");
    begin(203);
    assert_eq!(get(bytes("tip")), bytes("202"));
    assert_eq!(reads(), 1);
    assert_eq!(get(bytes("block 202")), bytes("old"));
    assert_eq!(reads(), 1, "what was written before is still there");
    assert!(get(bytes("block 203")).is_empty() && get(bytes("block 204")).is_empty());
    assert_eq!(reads(), 3);
    set(bytes("tip"), bytes("203 again"));
    flush();
    begin(204);
    assert_eq!(get(bytes("tip")), bytes("203 again"));
    assert_eq!(reads(), 3);
}

#[test]
fn blocks_that_were_left_out_empty_the_cache() {
    begin(300);
    set(bytes("key"), bytes("300"));
    flush();
    on_host("key", "another instance wrote this");
    begin(302);
    assert_eq!(get(bytes("key")), bytes("another instance wrote this"));
    begin(303);
    assert_eq!(lru_cache_stats().items, 1);
    begin(0);
    assert_eq!(lru_cache_stats().items, 0);
}

#[test]
fn what_is_discarded_is_never_in_the_cache() {
    on_host("key", "stored");
    set(bytes("key"), bytes("never flushed"));
    reset();
    assert_eq!(get(bytes("key")), bytes("never flushed"));
    flush();
    assert_eq!(get(bytes("key")), bytes("never flushed"));
    begin(1);
    assert_eq!(get(bytes("key")), bytes("stored"));
    set(bytes("key"), bytes("never flushed"));
    clear();
    assert_eq!(lru_cache_memory_usage(), 0);
    assert_eq!(get(bytes("key")), bytes("stored"));
    flush();
    stand_in::with(|host| assert!(host.flushes.iter().all(Vec::is_empty)));
}

/// A host gives a block's writes back once the block is over, and the cache may lose them at any
/// moment.
#[test]
fn a_block_reads_what_it_has_flushed_whatever_the_cache_has_lost() {
    set(bytes("key"), bytes("value"));
    flush();
    stand_in::with(|host| host.store.clear());
    lru_cache::clear_lru_cache();
    assert_eq!(get(bytes("key")), bytes("value"));
    set(bytes("other"), bytes("queued"));
    begin(1);
    assert!(get(bytes("key")).is_empty(), "the block is over");
    assert_eq!(get(bytes("other")), bytes("queued"));
}

/// An image is taken when the block is over: it must not hold what the host never got.
#[test]
fn the_cache_is_told_what_was_flushed_and_nothing_else() {
    set(bytes("key"), bytes("flushed"));
    assert_eq!(lru_cache_stats().items, 0);
    assert_eq!(get_lru_cache(&bytes("key")), None);
    flush();
    assert_eq!(get_lru_cache(&bytes("key")), Some(bytes("flushed")));
    set(bytes("key"), bytes("after the last flush"));
    assert_eq!(get_lru_cache(&bytes("key")), None, "neither old nor new");
    reset();
    assert_eq!(get_lru_cache(&bytes("key")), Some(bytes("flushed")));
}

#[test]
fn keys_and_values_of_any_length_work() {
    for len in [0, 1, 507, 508, 509, 10_000, 65_535, 65_536, 100_000] {
        let key = Arc::new(vec![b'k'; len]);
        let value = Arc::new(vec![len as u8; 3 * len]);
        set(key.clone(), value.clone());
        flush();
        assert_eq!(get(key.clone()), value, "a key of {len} bytes");
        lru_cache::clear_lru_cache();
        assert_eq!(
            get(key.clone()),
            value,
            "a key of {len} bytes, from the host"
        );
        assert_eq!(get(key), value);
    }
}

#[test]
fn absurd_lengths_halt_before_anything_is_written() {
    set(bytes("written"), bytes("before"));
    for announced in [i32::MAX, -1, i32::MIN, i32::MAX - 1, 600 << 20] {
        stand_in::with(|host| host.announces = Some(announced));
        let halt = catch_unwind(AssertUnwindSafe(|| get(bytes("key")))).expect_err("halts");
        let said = halt.downcast_ref::<String>().unwrap();
        assert!(said.contains(&announced.to_string()), "{said}");
        let is_unreadable = announced == i32::MAX;
        assert_eq!(
            said.contains("could not read the key of 3 bytes"),
            is_unreadable
        );
        stand_in::with(|host| {
            assert!(host.flushes.is_empty());
            assert_eq!(host.log.last(), Some(&format!("{said}\n")));
        });
    }
    stand_in::with(|host| host.announces = None);
    assert!(get_lru_cache(&bytes("key")).is_none());
    assert_eq!(get(bytes("written")), bytes("before"));
}

#[test]
fn a_values_owner_may_keep_it_whatever_happens_to_the_cache() {
    set_lru_cache(bytes("key"), bytes("value"));
    let held = get(bytes("key"));
    clear();
    set_lru_cache(bytes("key"), bytes("other"));
    assert_eq!(held, bytes("value"));
}

#[test]
fn a_views_result_is_found_by_its_pointer() {
    let pointer = export_bytes(vec![1, 2, 3]);
    stand_in::with(|host| assert_eq!(host.exports[pointer as usize], [1, 2, 3]));
}
