//! Large values that the block has read are handed out again without a copy.

use std::sync::Arc;

use super::{begin, bytes, on_host, reads};
use steadfast::Plan;
use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::lru_cache::set_lru_cache;
use steadfast::metashrew::*;

/// A value that is kept: the host's, filled with one byte.
fn large_on_host(key: &str, filled_with: u8, len: usize) {
    stand_in::with(|host| host.store.insert(key.into(), vec![filled_with; len]));
}

#[test]
fn a_large_value_is_copied_once_and_a_small_one_each_time() {
    // Without a cache, each copy is a read of the state.
    let _elsewhere = steadfast::open_cache().unwrap();
    for (key, len, asked) in [("small", 4095, 2), ("large", 4096, 1), ("huge", 1 << 20, 1)] {
        large_on_host(key, 7, len);
        let before = reads();
        let first = get(bytes(key));
        let second = get(bytes(key));
        assert_eq!(*first, vec![7; len]);
        assert_eq!(first, second);
        assert_eq!(reads() - before, asked, "{key}");
        assert_eq!(Arc::ptr_eq(&first, &second), asked == 1, "{key}");
    }
}

#[test]
fn a_write_takes_precedence_over_what_was_read() {
    large_on_host("key", 1, 5000);
    let read = get(bytes("key"));
    set(bytes("key"), bytes("new"));
    assert_eq!(get(bytes("key")), bytes("new"));
    reset();
    assert_eq!(get(bytes("key")), bytes("new"));
    assert_eq!(*read, vec![1; 5000], "a value's owner may keep it");
}

/// After each of these the next read must not be the value that was kept.
#[test]
fn what_was_read_is_forgotten_where_it_may_be_old() {
    let endings: [(&str, fn()); 7] = [
        ("the next block", || begin(8)),
        ("a flush", flush),
        ("a view's height", || set_view_for_height(7)),
        ("another height", || set_view_for_height(8)),
        ("the view's end", clear_view_cache),
        ("clear", clear),
        ("an entry of its own", || {
            set_lru_cache(bytes("key"), Arc::new(vec![9; 5000]));
        }),
    ];
    begin(7);
    for (number, (ending, end)) in endings.into_iter().enumerate() {
        let number = number as u8;
        large_on_host("key", number, 5000);
        // The kept value is all that answers: the cache is emptied each time.
        lru_cache::clear_lru_cache();
        let before = get(bytes("key"));
        large_on_host("key", 100 + number, 5000);
        lru_cache::clear_lru_cache();
        assert!(Arc::ptr_eq(&before, &get(bytes("key"))), "before {ending}");
        end();
        let expected = match ending {
            "an entry of its own" => 9,
            _ => {
                lru_cache::clear_lru_cache();
                100 + number
            }
        };
        assert_eq!(*get(bytes("key")), vec![expected; 5000], "after {ending}");
        stand_in::with(|host| host.input.clear());
        begin(7);
    }
}

#[test]
fn what_is_kept_takes_an_eighth_of_the_bytes_below_the_region() {
    let limit = (Plan::DEFAULT.region_base().get() / 8) as usize;
    let len = limit / 4;
    let kept = || -> usize {
        let values = get_cache();
        values
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum()
    };
    for number in 0..10_u8 {
        let key = number.to_string();
        large_on_host(&key, number, len);
        assert_eq!(get(bytes(&key)).len(), len);
        assert!(kept() <= limit);
        assert!(get_cache().contains_key(key.as_bytes()), "the latest");
    }
    assert!(kept() > len, "more than one is kept");
    // One that exceeds it alone is read, and not kept.
    large_on_host("whole", 1, limit);
    assert_eq!(get(bytes("whole")).len(), limit);
    assert!(!get_cache().contains_key(b"whole"));
}

#[test]
fn a_blocks_values_are_told_in_the_order_of_their_keys() {
    large_on_host("read", 1, 5000);
    large_on_host("both", 2, 5000);
    on_host("small", "value");
    for key in ["read", "both", "small"] {
        let _ = get(bytes(key));
    }
    assert!(get_cache().get(b"small").is_none());
    set(bytes("b"), bytes("1"));
    set(bytes("both"), bytes("2"));
    set(bytes("b"), bytes("3"));
    let values = get_cache();
    let told: Vec<_> = values
        .iter()
        .map(|(key, value)| (&key[..], value.len()))
        .collect();
    assert_eq!(told, [(&b"read"[..], 5000), (b"both", 1), (b"b", 1)]);
    assert_eq!(values.get(&bytes("b")), Some(&bytes("3")));
    assert!(
        values
            .keys()
            .eq([&bytes("read"), &bytes("both"), &bytes("b")])
    );
    assert_eq!(values.values().count(), values.len());
    set(bytes("later"), bytes("4"));
    assert!(!values.contains_key(b"later"), "a snapshot");
    clear();
    assert!(get_cache().is_empty());
}
