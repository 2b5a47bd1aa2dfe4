//! Which entries go when a large value is inserted and free space lies scattered: a window around
//! one of the oldest, the one whose block is largest with the free space before it. Of a window
//! from 448 bytes on, more is looked at.
#![cfg(not(miri))]

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::cache::Cache;
use steadfast::region::block_bytes;
use steadfast_testkit::cache::{Spec, region};

/// Keys have four bytes, values so many; then blocks leave no slack.
const VALUE_BYTES: usize = 78;

fn block() -> usize {
    let bytes = block_bytes(4, VALUE_BYTES).expect("it is short");
    assert_eq!(bytes % 8, 0);
    bytes as usize
}

/// A cache that is full of `entries` blocks of one size, next to each other in the order of their
/// numbers.
fn full(entries: usize) -> Cache {
    let bytes = entries * block();
    let mut cache = (bytes..)
        .step_by(64)
        .map(|capacity| {
            Cache::new(region(&Spec {
                expected_entry: 60,
                ..Spec::fresh(capacity as u32)
            }))
        })
        .find(|cache| cache.stats().arena_bytes as usize >= bytes)
        .expect("some capacity is enough");
    for number in 0..entries {
        insert(&mut cache, number, VALUE_BYTES);
    }
    let stats = cache.stats();
    assert_eq!(stats.evictions, 0);
    assert!((stats.arena_bytes as usize) < bytes + block(), "{stats:?}");
    cache
}

fn key(number: usize) -> [u8; 4] {
    (number as u32).to_le_bytes()
}

fn insert(cache: &mut Cache, number: usize, value_bytes: usize) {
    cache
        .insert(&key(number), &vec![7; value_bytes])
        .expect("it fits");
}

/// Of `entries` blocks, takes out `removed`, makes those of `oldest` the oldest, the first of them
/// first, and inserts a value that takes as much as `blocks` of them. Returns which entries are
/// lost, and how many of those were not the oldest.
fn lost(entries: usize, oldest: &[usize], removed: &[usize], blocks: usize) -> (Vec<usize>, u64) {
    let mut cache = full(entries);
    for &number in removed {
        assert!(cache.remove(&key(number)));
    }
    let rest = (0..entries).filter(|number| !oldest.contains(number));
    for number in oldest.iter().copied().chain(rest) {
        cache.get(&key(number));
    }
    cache.validate().expect("the cache is sound");
    let value_bytes = blocks * block() - (block() - VALUE_BYTES);
    insert(&mut cache, entries, value_bytes);
    cache.validate().expect("the cache is sound");
    let stats = cache.stats();
    assert_eq!(stats.displaced, 0);
    let lost: Vec<usize> = (0..entries)
        .filter(|number| !removed.contains(number) && !cache.contains(&key(*number)))
        .collect();
    assert_eq!(lost.len() as u64, stats.evictions + stats.window_evictions);
    (lost, stats.window_evictions)
}

#[test]
fn the_oldest_goes_first_and_the_window_begins_at_the_next() {
    assert_eq!(lost(40, &[20, 30], &[], 1), (vec![20], 0));
    assert_eq!(lost(40, &[20, 21, 30], &[], 2), (vec![20, 21], 0));
    assert_eq!(lost(40, &[20, 30, 10], &[], 3), (vec![20, 30, 31, 32], 2));
    assert_eq!(lost(40, &[20, 19, 30], &[], 3), (vec![19, 20, 21], 1));
}

#[test]
fn free_space_on_either_side_belongs_to_the_window() {
    // It is chosen for what is free before its first block, unless it is large.
    for removed in [[8, 9], [9, 11]] {
        assert_eq!(
            lost(40, &[20, 30, 10], &removed, 3),
            (vec![10, 20], 1),
            "{removed:?}"
        );
    }
    let behind = lost(40, &[20, 30, 10], &[11, 12], 3);
    assert_eq!(behind, (vec![20, 30, 31, 32], 2));
    assert_eq!(lost(40, &[20, 10, 30], &[11, 12], 3), (vec![10, 20], 0));
    // More than is asked for stays free.
    assert_eq!(
        lost(40, &[20, 30, 10], &[8, 9, 11, 12], 5),
        (vec![10, 20], 1)
    );
    assert_eq!(
        lost(40, &[20, 30, 10], &[8, 9, 12, 13], 5),
        (vec![10, 11, 20], 2)
    );
}

#[test]
fn the_window_that_begins_with_the_largest_block_is_taken() {
    // With what is free before it, that of 11 takes three, and that of 32 two.
    let removed = [9, 10, 31];
    let cost = |oldest: &[usize]| lost(40, oldest, &removed, 4);
    assert_eq!(cost(&[20, 5]), (vec![5, 6, 7, 8, 20], 3));
    assert_eq!(cost(&[20, 5, 32]), (vec![20, 32, 33, 34], 3));
    assert_eq!(cost(&[20, 5, 32, 11]), (vec![11, 12, 20], 2));
    assert_eq!(cost(&[20, 11, 5, 32]), (vec![11, 12, 20], 1));
    // Of two that are equal the older.
    assert_eq!(cost(&[20, 5, 25]), (vec![5, 6, 7, 8, 20], 3));
    // The first goes in turn. Five windows after it are compared, and a sixth is not.
    let fifth = [20, 22, 24, 26, 28, 11];
    assert_eq!(cost(&fifth), (vec![11, 12, 20], 2));
    let sixth = [20, 22, 24, 26, 28, 5, 11];
    assert_eq!(cost(&sixth), (vec![20, 22, 23, 24, 25], 2));
}

#[test]
fn of_a_large_window_more_than_the_first_block_is_looked_at() {
    // The one begins with three blocks, the other has five that are free further on.
    let removed = [6, 7, 27, 28, 29, 31, 32];
    let fewest = vec![20, 25, 26, 30, 33, 34, 35, 36];
    assert_eq!(lost(40, &[20, 5, 25], &removed, 12), (fewest, 7));
    // A fifth candidate is compared, and a sixth is not.
    let fifth = [20, 22, 24, 26, 28, 5];
    let removed = [1, 6, 7, 9, 10];
    assert_eq!(lost(40, &fifth, &removed, 8).0, vec![5, 8, 11, 12, 20]);
    let sixth = [20, 22, 24, 26, 28, 30, 5];
    let next: Vec<usize> = (22..30).chain([20]).collect();
    let mut sorted = next.clone();
    sorted.sort_unstable();
    assert_eq!(lost(40, &sixth, &removed, 8).0, sorted);
}

#[test]
fn a_window_has_room_above_it_in_the_arena() {
    assert_eq!(lost(40, &[20, 39, 5], &[], 3), (vec![5, 6, 7, 20], 3));
    assert_eq!(lost(40, &[20, 38, 5], &[], 3), (vec![5, 6, 7, 20], 3));
    assert_eq!(lost(40, &[20, 37, 5], &[], 3), (vec![20, 37, 38, 39], 2));
    // Where none of the oldest has it, the window is at the arena's start.
    let oldest = [20, 39, 38, 37, 36, 35, 34, 33, 32];
    let (all, _) = lost(40, &oldest, &[], 12);
    assert_eq!(all, (0..12).chain([20]).collect::<Vec<_>>());
}

#[test]
fn what_is_behind_the_last_block_belongs_to_the_window() {
    assert_eq!(lost(40, &[20, 38, 30], &[39], 2), (vec![20, 38], 0));
    // It counts where the window is large.
    let removed = [37, 38, 39];
    assert_eq!(lost(40, &[20, 30, 35], &removed, 5), (vec![20, 35, 36], 2));
    assert_eq!(lost(40, &[20, 35, 30], &removed, 5), (vec![20, 35, 36], 1));
}
