//! Views over an image that other instances map too: what they may see of it, however they tell
//! their height.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{begin, bytes, reads};
use steadfast::metashrew::host::stand_in;
use steadfast::metashrew::lru_cache::{CacheAllocationMode, get_lru_cache, set_lru_cache};
use steadfast::metashrew::*;
use steadfast::region::{Status, seal};

type Store = BTreeMap<Vec<u8>, Vec<u8>>;

/// The height that the image is as of.
const TIP: u32 = 12;

/// A host that has indexed blocks 10 to 12: its state after each, and the image of the cache.
struct Indexed {
    states: BTreeMap<u32, Store>,
    image: Vec<u8>,
}

impl Indexed {
    fn new() -> Indexed {
        Indexed::sealed(Status::Shared)
    }

    /// With an image that the host has sealed in this way.
    fn sealed(status: Status) -> Indexed {
        let mut states = BTreeMap::from([(9, Store::new())]);
        stand_in::instance(|| {
            for height in 10..=TIP {
                begin(height);
                get(bytes("tip"));
                set(bytes("tip"), bytes(&height.to_string()));
                set(bytes(&format!("block {height}")), bytes("hash"));
                flush();
                states.insert(height, stand_in::with(|host| host.store.clone()));
            }
        });
        let mut image = stand_in::with(|host| host.offers.pop()).expect("a block offers one");
        seal(&mut image, status).expect("an image has a header");
        Indexed { states, image }
    }

    /// The state that a host serves to views at a height: its last one, from the tip on.
    fn state(&self, height: u32) -> &Store {
        let (_, state) = self.states.range(..=height).next_back().expect("a state");
        state
    }

    /// Serves the state at a height, and hands in that height with the image.
    fn serve(&self, height: u32) {
        stand_in::with(|host| {
            host.store = self.state(height).clone();
            host.image = self.image.clone();
            host.input = height.to_le_bytes().to_vec();
            host.reads = 0;
        });
    }

    /// Asks for everything, as a view does. Returns how many reads the host has served.
    fn ask(&self, height: u32) -> usize {
        let state = self.state(height);
        for key in KEYS {
            let value = get(bytes(key));
            let expected = state.get(key.as_bytes()).cloned().unwrap_or_default();
            assert_eq!(*value, expected, "{key} at height {height}");
        }
        reads()
    }
}

const KEYS: [&str; 4] = ["tip", "block 10", "block 11", "block 12"];

/// A name, and how a view tells its height.
type Telling = (&'static str, fn(u32));

/// The ways in which a view tells its height.
const VIEWS: [Telling; 6] = [
    ("input, then height", |height| {
        input();
        set_view_for_height(height);
    }),
    ("height, then input", |height| {
        set_view_for_height(height);
        input();
    }),
    ("no height", |_| {
        input();
    }),
    ("mode, then input", |_| {
        set_cache_mode(CacheAllocationMode::View);
        input();
    }),
    ("input, then mode", |_| {
        input();
        set_cache_mode(CacheAllocationMode::View);
    }),
    ("all of it", |height| {
        initialize();
        set_cache_mode(CacheAllocationMode::View);
        input();
        set_view_for_height(height);
    }),
];

/// What it stores holds at its own height, and the pool is as of another.
#[test]
fn a_view_of_an_earlier_height_stores_nothing_among_the_tips_entries_and_drops_none() {
    let indexed = Indexed::sealed(Status::Sealed);
    indexed.serve(10);
    stand_in::instance(|| {
        input();
        set_view_for_height(10);
        let items = lru_cache_stats().items;
        assert_eq!(items, 4);
        set_lru_cache(bytes("own"), bytes("value"));
        assert_eq!(get_lru_cache(&bytes("own")), None);
        assert_eq!(lru_cache_stats().items, items);
    });
}

#[test]
fn a_view_sees_what_holds_at_its_height_and_no_more() {
    let indexed = Indexed::new();
    for (name, tell) in VIEWS {
        // The host is asked for the tip below the image's height, and for everything above it.
        for (height, expected) in [(9, 4), (10, 3), (11, 2), (TIP, 0), (13, 4), (99, 4)] {
            indexed.serve(height);
            let (reads, items) = stand_in::instance(|| {
                tell(height);
                (indexed.ask(height), lru_cache_stats().items)
            });
            assert_eq!(reads, expected, "{name}, at height {height}");
            assert_eq!(items, 4, "{name}, at height {height}");
        }
    }
}

/// A block may read before its input tells the height: nobody knows since when those values hold.
#[test]
fn what_was_read_before_the_input_is_of_no_earlier_height() {
    let mut indexed = Indexed::new();
    indexed.serve(10);
    stand_in::with(|host| host.image.clear());
    stand_in::instance(|| {
        assert_eq!(get(bytes("tip")), bytes("10"));
        begin(11);
        flush();
    });
    indexed.image = stand_in::with(|host| host.offers.pop()).expect("a block offers one");
    seal(&mut indexed.image, Status::Shared).expect("an image has a header");
    indexed.serve(9);
    stand_in::instance(|| {
        input();
        indexed.ask(9)
    });
}

/// The host has mapped it for this state.
#[test]
fn a_view_that_tells_no_height_sees_the_image() {
    let indexed = Indexed::new();
    indexed.serve(TIP);
    let reads = stand_in::instance(|| {
        let _ = host_interface::input();
        indexed.ask(TIP)
    });
    assert_eq!(reads, 0);
}

#[test]
fn an_instance_that_is_kept_answers_views_at_any_height() {
    let indexed = Indexed::new();
    indexed.serve(TIP);
    stand_in::instance(|| {
        for (number, height) in [12, 11, 9, 13, 12, 10, 12].into_iter().enumerate() {
            indexed.serve(height);
            let (_, tell) = VIEWS[number % 3];
            tell(height);
            indexed.ask(height);
            clear_view_cache();
        }
    });
}

/// What the image lacks is asked for once, and seen at the image's height alone.
#[test]
fn a_view_keeps_what_it_asked_the_host_for() {
    let indexed = Indexed::new();
    indexed.serve(TIP);
    let host_has =
        |value: &str| stand_in::with(|host| host.store.insert(b"new".into(), value.into()));
    stand_in::instance(|| {
        host_has("at the tip");
        for _ in 0..2 {
            input();
            assert_eq!(get(bytes("new")), bytes("at the tip"));
        }
        assert_eq!(reads(), 1);
        host_has("at another height");
        for height in [11, 13] {
            set_view_for_height(height);
            assert_eq!(get(bytes("new")), bytes("at another height"));
        }
    });
}

/// A host may drop a view's writes, or run a block over the image and take them.
#[test]
fn what_an_instance_flushed_is_asked_of_the_host() {
    let indexed = Indexed::new();
    for (name, tell) in VIEWS {
        indexed.serve(TIP);
        stand_in::instance(|| {
            tell(TIP);
            set(bytes("tip"), bytes("flushed"));
            set(bytes("block 12"), bytes("flushed"));
            flush();
            assert_eq!(get(bytes("tip")), bytes("flushed"), "{name}");
            stand_in::with(|host| host.store.insert(b"tip".into(), b"dropped".into()));
            tell(TIP);
            assert_eq!(get(bytes("tip")), bytes("dropped"), "{name}");
            assert_eq!(get(bytes("block 12")), bytes("flushed"), "{name}");
        });
    }
}

/// An entry that a view stores itself holds at its height, which may not be the image's.
#[test]
fn what_a_view_stores_is_not_seen_at_another_height() {
    let indexed = Indexed::new();
    indexed.serve(TIP);
    let stored = |height| {
        set_view_for_height(height);
        get_lru_cache(&bytes("tip"))
    };
    stand_in::instance(|| {
        assert_eq!(stored(11), None);
        assert_eq!(stored(13), None);
        set_view_for_height(11);
        assert_eq!(get_lru_cache(&bytes("block 11")), Some(bytes("hash")));
        set_lru_cache(bytes("tip"), bytes("11"));
        assert_ne!(stored(12), Some(bytes("11")));
        set_lru_cache(bytes("tip"), bytes("12"));
        assert_eq!(stored(12), Some(bytes("12")));
        set_cache_mode(CacheAllocationMode::View);
        assert_eq!(stored(11), None);
    });
}

/// An instance that indexes blocks answers a view between two of them: its entries stay.
#[test]
fn a_view_between_blocks_leaves_the_blocks_entries() {
    begin(500);
    set(bytes("key"), bytes("500"));
    flush();
    for height in [3, 500, 501, 900] {
        begin(height);
        set_view_for_height(height);
        assert_eq!(get(bytes("key")), bytes("500"));
        clear_view_cache();
    }
    let asked = reads();
    assert_eq!(asked, 4, "its cache is as of no view's height");
    begin(501);
    assert_eq!(get(bytes("key")), bytes("500"));
    assert_eq!(reads(), asked);
}

#[test]
fn a_views_answer_is_exported() {
    let indexed = Indexed::new();
    indexed.serve(TIP);
    let answer = stand_in::instance(|| {
        input();
        set_view_for_height(TIP);
        let value = get(bytes("tip"));
        clear_view_cache();
        export_bytes(Arc::unwrap_or_clone(value))
    });
    stand_in::with(|host| assert_eq!(host.exports[answer as usize], b"12"));
}
