//! Each kind of damage to a region's bytes is found by the check of the whole state, and named with
//! its place. The places are those of `docs/formats.md`.
#![cfg(not(miri))]

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::cache::{Cache, CacheError, Pool, Scope};
use steadfast::region::ENTRY_HEADER_BYTES;
use steadfast_testkit::cache::{Bytes, Spec, region_with_bytes};

const CAPACITY: u32 = 6_000;

// The header's words.
const FORMAT: u32 = 8;
const ARENA_START: u32 = 64;
const FRONTIER: u32 = 116;
const FREE_BYTES: u32 = 120;
const BUCKETS: u32 = 124;
const WHOLE_BUCKETS: u32 = 128;
const GROUP_MASK: u32 = 132;
const INDEXED: u32 = 136;
const STALE_PAGES: u32 = 144;
const STALE_LEFT: u32 = 148;
const POOLS: u32 = 232;
const BIN_SUMMARY: u32 = 488;
const BIN_MAP: u32 = 492;
const BINS: u32 = 532;
const INDEX: u32 = 1856;

// A pool's words.
const NEWEST: u32 = 0;
const OLDEST: u32 = 4;
const ENTRIES: u32 = 8;
const USED: u32 = 12;
const QUOTA: u32 = 16;

// An entry's words.
const NEWER: u32 = 0;
const OLDER: u32 = 4;
const VALUE: u32 = 12;
const KEY: u32 = 16;
const GROUP: u32 = 20;
const PREVIOUS_FREE: u32 = 1 << 31;

/// A sound cache: entries `a` to `j` of the main pool in the order of the arena, of which `c`, `e`
/// and `g` were removed and `f` was then replaced by a shorter one; and one entry of the API's pool
/// behind them.
struct Fixture {
    cache: Cache,
    bytes: Bytes,
}

impl Fixture {
    fn new(spec: &Spec) -> Self {
        let (region, bytes) = region_with_bytes(spec);
        let mut cache = Cache::new(region);
        for key in b'a'..=b'j' {
            cache.insert(&[key], &[key; VALUE_BYTES]).expect("it fits");
        }
        cache
            .scope(Scope::Application)
            .insert(b"k", b"own")
            .expect("it fits");
        for key in [b"c", b"e", b"g"] {
            assert!(cache.remove(key));
        }
        cache.validate().expect("the cache is sound");
        Self { cache, bytes }
    }

    fn word(&self, at: u32) -> u32 {
        let word = self.bytes.read(at as usize, 4);
        u32::from_le_bytes(word.try_into().expect("four bytes"))
    }

    fn set(&self, at: u32, word: u32) {
        for (at, byte) in (at as usize..).zip(word.to_le_bytes()) {
            self.bytes.write(at, byte);
        }
    }

    fn add(&self, at: u32, more: i32) {
        self.set(at, self.word(at).wrapping_add_signed(more));
    }

    /// The offset of the entry with this key, which has one byte.
    fn entry(&self, key: u8) -> u32 {
        let value = self.cache.peek(&[key]).expect("it is there");
        self.bytes.place_of(value).start as u32 - (ENTRY_HEADER_BYTES + 1)
    }

    /// The offset of the free block behind an entry of the main pool.
    fn free_behind(&self, key: u8) -> u32 {
        self.entry(key) + BLOCK
    }

    fn pool(&self, word: u32) -> u32 {
        POOLS + word
    }
}

/// The block of an entry of the main pool.
const BLOCK: u32 = ENTRY_HEADER_BYTES + 1 + VALUE_BYTES as u32;
const VALUE_BYTES: usize = 97;

fn found_in(spec: &Spec, damage: impl FnOnce(&Fixture)) -> Result<(), CacheError> {
    let fixture = Fixture::new(spec);
    damage(&fixture);
    fixture.cache.validate()
}

fn found(damage: impl FnOnce(&Fixture)) -> Result<(), CacheError> {
    found_in(&Spec::fresh(CAPACITY), damage)
}

/// Checks that `damage` is found as the fault that it returns.
fn check(damage: impl FnOnce(&Fixture) -> CacheError) {
    let mut fault = None;
    let found = found(|cache| fault = Some(damage(cache)));
    assert_eq!(found.err(), fault);
}

/// The name of what a sum counts.
fn sum_of(found: Result<(), CacheError>) -> &'static str {
    match found {
        Err(CacheError::Sum { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_header_describes_the_region() {
    // Magic, version, limit, group buckets, levels, first level, arena's start, stamp shift.
    for at in [0, 4, FORMAT, 44, 52, 56, 60, ARENA_START, 68] {
        assert_eq!(found(|of| of.add(at, 1)), Err(CacheError::Header), "{at}");
    }
    for at in [BUCKETS, WHOLE_BUCKETS, GROUP_MASK] {
        for more in [-1, 1] {
            assert_eq!(
                found(|of| of.add(at, more)),
                Err(CacheError::Header),
                "{at}"
            );
        }
    }
    // The index has two pages.
    let pages = found(|of| of.set(STALE_PAGES, 2_000));
    assert_eq!(pages, Err(CacheError::Header));
}

#[test]
fn the_frontier_lies_in_the_arena() {
    check(|of| {
        let at = of.word(ARENA_START) - 2;
        of.set(FRONTIER, at);
        CacheError::Frontier { at }
    });
    check(|of| {
        let at = CAPACITY + 2;
        of.set(FRONTIER, at);
        CacheError::Frontier { at }
    });
}

#[test]
fn the_list_links_both_ways() {
    for (key, link) in [(b'a', NEWER), (b'j', NEWER), (b'd', NEWER)] {
        check(|of| {
            let at = of.entry(key);
            of.add(at + link, 2);
            CacheError::Link { at }
        });
    }
    check(|of| {
        let at = of.entry(b'b');
        of.set(of.entry(b'd') + OLDER, at + 1);
        CacheError::Link { at: at + 1 }
    });
    check(|of| {
        of.set(of.pool(NEWEST), 3);
        CacheError::EntryBounds { at: 3 }
    });
    check(|of| {
        let at = of.entry(b'd');
        of.add(at + VALUE, 100_000);
        CacheError::EntryBounds { at }
    });
}

#[test]
fn the_list_has_the_entries_that_are_counted() {
    for (more, walked) in [(1, 7), (-1, 6)] {
        check(|of| {
            of.add(of.pool(ENTRIES), more);
            let counted = of.word(of.pool(ENTRIES));
            CacheError::List { walked, counted }
        });
    }
    check(|of| {
        of.set(of.pool(OLDEST), of.entry(b'b'));
        CacheError::List {
            walked: 7,
            counted: 7,
        }
    });
    // It ends before the oldest.
    check(|of| {
        of.set(of.entry(b'b') + OLDER, 0);
        CacheError::List {
            walked: 6,
            counted: 7,
        }
    });
    let used = found(|of| of.add(of.pool(USED), 2));
    assert_eq!(sum_of(used), "bytes of listed entries");
}

/// Entries that overlap would have the same bytes hashed over and over: the walk ends at the first
/// one that is too many.
#[test]
fn listed_entries_have_no_more_bytes_than_the_arena() {
    let mut of = Fixture::new(&Spec::fresh(CAPACITY));
    assert!(of.cache.get(b"a").is_some());
    let at = of.entry(b'a');
    let start = of.word(ARENA_START);
    assert_eq!(at, start, "the newest entry is the arena's first block");
    let arena = of.word(FRONTIER) - start;
    of.set(at + VALUE, arena - (ENTRY_HEADER_BYTES + 1));
    let fault = CacheError::Sum {
        what: "bytes of listed entries",
        counted: arena.into(),
        walked: (arena + BLOCK).into(),
    };
    assert_eq!(of.cache.validate(), Err(fault));
}

#[test]
fn an_entry_is_in_its_pools_list_within_the_quota() {
    check(|of| {
        let at = of.entry(b'd');
        of.add(at + KEY, 1 << 30);
        CacheError::Pool { at }
    });
    check(|of| {
        of.set(of.pool(QUOTA), 7 * BLOCK - 1);
        CacheError::Quota {
            pool: Pool::Main,
            bytes: 7 * BLOCK,
        }
    });
    assert_eq!(found(|of| of.set(of.pool(QUOTA), 7 * BLOCK)), Ok(()));
}

#[test]
fn the_index_leads_to_each_entry() {
    check(|of| {
        let at = of.entry(b'd');
        of.bytes.write((at + ENTRY_HEADER_BYTES) as usize, b'D');
        CacheError::NotIndexed { at }
    });
    // Another entry has its key.
    check(|of| {
        let at = of.entry(b'd');
        of.bytes.write((at + ENTRY_HEADER_BYTES) as usize, b'b');
        CacheError::NotIndexed { at }
    });
    // It says that it stands elsewhere: each bit of the place, whether that is its other bucket,
    // and each bit of the hash that chooses the group.
    let place = (21..30).map(|bit| (KEY, bit));
    for (field, bit) in place.chain((0..16).map(|bit| (GROUP, bit))) {
        check(|of| {
            let at = of.entry(b'd');
            of.set(at + field, of.word(at + field) ^ (1 << bit));
            CacheError::NotIndexed { at }
        });
    }
    // In the arena alone: an entry that is in no list and in no slot.
    let lost = found(|of| {
        let at = of.entry(b'a');
        of.set(of.entry(b'b') + OLDER, 0);
        of.set(of.pool(OLDEST), of.entry(b'b'));
        of.add(of.pool(ENTRIES), -1);
        of.add(of.pool(USED), -(BLOCK as i32));
        of.add(INDEXED, -1);
        let slot = slot_of(of, at);
        of.set(slot.1, 0);
        of.bytes.write(slot.0 as usize, 0);
    });
    assert!(
        matches!(lost, Err(CacheError::NotIndexed { .. })),
        "{lost:?}"
    );
    // In arena and index, and in no list.
    let unlisted = found(|of| {
        of.set(of.entry(b'b') + OLDER, 0);
        of.set(of.pool(OLDEST), of.entry(b'b'));
        of.add(of.pool(ENTRIES), -1);
        of.add(of.pool(USED), -(BLOCK as i32));
    });
    assert_eq!(sum_of(unlisted), "bytes of entries' blocks");
}

/// Where the index keeps an entry: its tag's place, and its offset's.
fn slot_of(of: &Fixture, entry: u32) -> (u32, u32) {
    let buckets = of.word(BUCKETS);
    let mut slots = (0..buckets).flat_map(|bucket| {
        (0..12).map(move |slot| {
            let at = INDEX + 64 * bucket;
            (at + slot, at + 16 + 4 * slot)
        })
    });
    slots
        .find(|(_, offset)| of.word(*offset) == entry)
        .expect("it is indexed")
}

#[test]
fn a_slot_has_a_tag_and_an_offset_or_neither() {
    let bucket = |of: &Fixture| (slot_of(of, of.entry(b'a')).0 - INDEX) / 64;
    let other = |of: &Fixture| {
        // A vacant slot of the same bucket.
        let at = INDEX + 64 * bucket(of);
        let slot = (0..12).find(|slot| of.word(at + 16 + 4 * slot) == 0);
        let slot = slot.expect("it is not full");
        (at + slot, at + 16 + 4 * slot)
    };
    check(|of| {
        of.bytes.write(other(of).0 as usize, 77);
        CacheError::Bucket { bucket: bucket(of) }
    });
    check(|of| {
        of.set(other(of).1, of.entry(b'b'));
        CacheError::Bucket { bucket: bucket(of) }
    });
    // Both, and one too many.
    let more = found(|of| {
        of.bytes.write(other(of).0 as usize, 77);
        of.set(other(of).1, of.entry(b'b'));
    });
    assert_eq!(sum_of(more), "entries in the index");
}

#[test]
fn blocks_meet_at_the_frontier() {
    // Short of the last block's end, and behind it.
    let last = |of: &Fixture| of.entry(b'j') + BLOCK;
    check(|of| {
        let end = of.word(FRONTIER);
        assert_eq!(end, last(of) + ENTRY_HEADER_BYTES + 4);
        of.set(FRONTIER, end - 2);
        CacheError::Tiling { at: end }
    });
    let beyond = found(|of| of.add(FRONTIER, 30));
    assert!(beyond.is_err());
}

#[test]
fn a_free_block_says_its_size_at_both_ends() {
    for (place, more) in [(0, 2), (0, -2), (BLOCK - 4, 2), (BLOCK - 4, -2)] {
        check(|of| {
            let at = of.free_behind(b'b');
            of.add(at + place, more);
            CacheError::FreeBlock { at }
        });
    }
    // Too short: its two sizes are one word.
    check(|of| {
        let at = of.free_behind(b'b');
        of.set(at, 4 | 1);
        CacheError::FreeBlock { at }
    });
    // Two that touch.
    check(|of| {
        let at = of.free_behind(b'b');
        let half = BLOCK / 2;
        for part in [at, at + half] {
            of.set(part, half | 1);
            of.set(part + half - 4, half | 1);
        }
        CacheError::FreeBlock { at: at + half }
    });
    // One that ends at the frontier.
    check(|of| {
        let at = of.free_behind(b'f');
        of.set(FRONTIER, at + BLOCK);
        CacheError::FreeBlock { at }
    });
}

#[test]
fn an_entry_knows_whether_the_block_before_it_is_free() {
    for key in [b'b', b'd'] {
        check(|of| {
            let at = of.entry(key);
            of.set(at + VALUE, of.word(at + VALUE) ^ PREVIOUS_FREE);
            CacheError::PreviousFree { at }
        });
    }
}

/// The bin of blocks as long as an entry's, and the word of the map with its bit.
const BIN: u32 = BLOCK / 4;
const BIN_WORD: u32 = BIN_MAP + 4 * (BIN / 32);

#[test]
fn the_bins_hold_the_free_blocks() {
    let bin = BIN as usize;
    // The block freed last is the first.
    let first = |of: &Fixture| {
        let at = of.word(BINS + 4 * BIN);
        assert_eq!(at, of.free_behind(b'f'));
        at
    };
    for word in [8, 4] {
        check(|of| {
            // Its link back; or the link to it, of the one before.
            let at = first(of);
            of.set(at + word, of.entry(b'a'));
            let at = if word == 8 { at } else { of.entry(b'a') };
            CacheError::Bin { bin, at }
        });
    }
    check(|of| {
        of.set(BINS + 4 * BIN, 0);
        CacheError::Bin { bin, at: 0 }
    });
    for beyond in [0, 8] {
        check(|of| {
            let at = of.word(FRONTIER) + beyond;
            of.set(at, BLOCK | 1);
            of.set(at + 4, 0);
            of.set(at + 8, 0);
            of.set(BINS + 4 * BIN, at);
            CacheError::Bin { bin, at }
        });
    }
    // In the bin of longer blocks.
    check(|of| {
        let at = first(of);
        of.set(BINS + 4 * (BIN + 1), at);
        of.set(BIN_WORD, of.word(BIN_WORD) << 1);
        CacheError::Bin { bin: bin + 1, at }
    });
    let fewer = found(|of| of.set(first(of) + 4, 0));
    assert_eq!(sum_of(fewer), "free blocks in bins");
    let none = found(|of| {
        of.set(BIN_WORD, 0);
        of.set(BIN_SUMMARY, 0);
    });
    assert_eq!(sum_of(none), "free blocks in bins");
}

#[test]
fn the_summary_marks_the_words_of_the_map() {
    let word = (BIN / 32) as usize;
    for marks in [0, 1 << word | 1 << (word + 1)] {
        let found = found(|of| of.set(BIN_SUMMARY, marks));
        let bin = 32 * if marks == 0 { word } else { word + 1 };
        assert_eq!(found, Err(CacheError::Bin { bin, at: 0 }));
    }
}

#[test]
fn the_sums_of_the_header_are_those_of_the_walk() {
    let free = found(|of| of.add(FREE_BYTES, 2));
    assert_eq!(sum_of(free), "free bytes");
    let indexed = found(|of| of.add(INDEXED, 1));
    assert_eq!(sum_of(indexed), "entries in the index");
    let stale = found_in(&Spec::dirty(CAPACITY), |of| of.add(STALE_LEFT, 1));
    assert_eq!(sum_of(stale), "index pages not cleared yet");
}
