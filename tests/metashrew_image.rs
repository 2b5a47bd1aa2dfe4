//! The metashrew surface with the feature `image`, native, over the host's stand-in. Each thread
//! has an instance of its own.
#![cfg(not(target_family = "wasm"))]

use std::sync::Arc;
use std::thread;

use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::lru_cache::{CacheAllocationMode, set_cache_allocation_mode};
use steadfast::metashrew::{clear_view_cache, flush, get, input, set, set_view_for_height};
use steadfast::region::{RegionInfo, Status};

fn bytes(text: &str) -> Arc<Vec<u8>> {
    Arc::new(text.as_bytes().to_vec())
}

fn offers() -> usize {
    stand_in::with(|host| host.offers.len())
}

#[test]
fn an_image_is_asked_for_once_and_offered_after_each_flush() {
    stand_in::with(|host| {
        host.input = 7_u32.to_le_bytes().to_vec();
        host.store.insert(b"held".to_vec(), b"by the host".to_vec());
        // No image at all: it changes nothing.
        host.image = vec![0xA5; 100_000];
    });
    input();
    assert_eq!(*get(bytes("held")), *b"by the host");
    set(bytes("new"), bytes("value"));
    assert_eq!(offers(), 0);
    flush();
    stand_in::with(|host| {
        let info = RegionInfo::read(&host.offers[0]).unwrap();
        assert_eq!((info.stats.entries, info.height), (2, 7));
        assert_eq!(info.status, Status::Open);
        assert_eq!(info.frontier as usize, host.offers[0].len());
    });
    // A view has nothing to offer.
    set_view_for_height(7);
    flush();
    clear_view_cache();
    set_cache_allocation_mode(CacheAllocationMode::View);
    flush();
    assert_eq!(offers(), 1);
    set_cache_allocation_mode(CacheAllocationMode::Indexer);
    flush();
    assert_eq!(offers(), 2);
}

#[test]
fn an_image_that_was_offered_goes_on_in_the_next_instance() {
    let first = thread::spawn(|| {
        stand_in::with(|host| host.input = 7_u32.to_le_bytes().to_vec());
        input();
        set(bytes("new"), bytes("value"));
        flush();
        stand_in::with(|host| host.offers.pop())
    });
    let image = first.join().unwrap().expect("it was offered");
    let next = thread::spawn(|| {
        stand_in::with(|host| {
            host.input = 8_u32.to_le_bytes().to_vec();
            host.image = image;
        });
        input();
        assert_eq!(*get(bytes("new")), *b"value");
        stand_in::with(|host| host.reads)
    });
    assert_eq!(next.join().unwrap(), 0, "the host was not asked");
}
