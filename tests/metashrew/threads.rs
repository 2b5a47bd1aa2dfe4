//! Tests of an indexer run side by side, each on a thread: nothing of one reaches another.

use std::sync::{Arc, Barrier};

use super::{bytes, reserve_little};
use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::{flush, get, input, lru_cache_stats, reset, set};

/// The README's indexer: keeps what follows each height, and counts the blocks.
fn index() {
    let input = input();
    let (height, block) = input.split_at(4);
    set(
        Arc::new([b"/header/", height].concat()),
        Arc::new(block.to_vec()),
    );
    let blocks = bytes("/blocks");
    let count = get(blocks.clone());
    let count = count
        .first_chunk()
        .map_or(0, |count| u32::from_le_bytes(*count));
    set(blocks, Arc::new((count + 1).to_le_bytes().to_vec()));
    flush();
}

fn hand_in(height: u32, block: &[u8]) {
    let input = [&height.to_le_bytes()[..], block].concat();
    stand_in::with(|host| host.input = input);
}

fn counted() -> u32 {
    stand_in::with(|host| {
        let count = host.store[&b"/blocks"[..]].first_chunk();
        u32::from_le_bytes(*count.expect("a count is stored"))
    })
}

#[test]
fn indexers_on_parallel_threads_do_not_see_each_other() {
    const THREADS: u32 = 8;
    const BLOCKS: u32 = 20;
    let start = Barrier::new(THREADS as usize);
    std::thread::scope(|scope| {
        for number in 0..THREADS {
            let start = &start;
            scope.spawn(move || {
                reserve_little();
                // Left unflushed while the others run.
                set(bytes("/unflushed"), Arc::new(vec![number as u8]));
                start.wait();
                assert_eq!(*get(bytes("/unflushed")), [number as u8]);
                reset();
                for height in 0..BLOCKS + number {
                    hand_in(height, &[number as u8; 80]);
                    index();
                    if height < BLOCKS {
                        start.wait();
                    }
                }
                assert_eq!(counted(), BLOCKS + number);
                stand_in::with(|host| {
                    assert_eq!(host.flushes.len(), (BLOCKS + number) as usize);
                    assert_eq!(host.store.len(), (BLOCKS + number) as usize + 1);
                    let headers = host
                        .store
                        .iter()
                        .filter(|(key, _)| key.starts_with(b"/header"));
                    assert!(
                        headers
                            .into_iter()
                            .all(|(_, value)| **value == [number as u8; 80])
                    );
                });
                // One read of the count reached the host, and the cache had the others.
                assert_eq!(lru_cache_stats().items, (BLOCKS + number) as usize + 1);
                assert_eq!(stand_in::with(|host| host.reads), 1);
            });
        }
    });
}

#[test]
fn an_instance_begins_with_nothing_but_its_host() {
    set(bytes("unflushed"), bytes("here"));
    for height in 0..3 {
        hand_in(height, b"block");
        stand_in::instance(index);
    }
    assert_eq!(counted(), 3);
    // Each asked the host for the count: no cache was warm.
    assert_eq!(stand_in::with(|host| host.reads), 3);
    assert_eq!(get(bytes("unflushed")), bytes("here"));
    assert!(stand_in::instance(|| get(bytes("unflushed"))).is_empty());
    // Also from within one.
    let nested = stand_in::instance(|| {
        set(bytes("key"), bytes("outer"));
        stand_in::instance(|| get(bytes("key"))).is_empty()
    });
    assert!(nested);
}

#[test]
fn an_instance_that_panics_leaves_its_host() {
    hand_in(0, b"block");
    let panic = std::panic::catch_unwind(|| {
        stand_in::instance(|| {
            index();
            set(bytes("torn"), bytes("value"));
            panic!("after the flush");
        })
    });
    let said = panic.expect_err("it panics");
    assert_eq!(said.downcast_ref(), Some(&"after the flush"));
    assert_eq!(counted(), 1);
    assert!(get(bytes("torn")).is_empty());
}
