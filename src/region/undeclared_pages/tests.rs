//! A cache beside somebody else's memory: it stays out of it, and answers right.

extern crate std;

use core::sync::atomic::{AtomicU32, Ordering};
use std::vec::Vec;
use std::{format, vec};

use crate::cache::Cache;
use crate::region::{AttachError, Growth, REGION_ALIGN, Region, RegionParts, Start};

const PAGE: usize = REGION_ALIGN;
const MIB: usize = 1 << 20;

/// Memory of whole pages, somebody's bytes among them.
struct Memory {
    bytes: Vec<u8>,
    skip: usize,
    foreign: Vec<usize>,
}

impl Memory {
    fn new(len: usize, foreign: &[usize]) -> Self {
        let mut bytes = vec![0; len + PAGE];
        let skip = bytes.as_ptr().align_offset(PAGE);
        for at in foreign {
            bytes[skip + at] = 0xaa;
        }
        Self {
            bytes,
            skip,
            foreign: foreign.to_vec(),
        }
    }

    fn region(&mut self, tell: fn(u32)) -> Region {
        let capacity = (self.bytes.len() - PAGE) as u32;
        let parts = RegionParts {
            start: core::ptr::NonNull::from(&mut self.bytes[self.skip..]).cast(),
            capacity,
            fresh_from: capacity,
            expected_entry: 100,
            plan_fingerprint: 1,
            module_tag: 0,
            forget_seed: 0,
            growth: Growth::Fixed,
        };
        // SAFETY: the memory outlives the region in each test, and nobody else uses it meanwhile.
        unsafe { Region::from_raw(parts).beside(0..capacity, tell) }
    }

    /// Nobody wrote in a page that somebody uses.
    fn check(&self, context: &str) {
        for at in &self.foreign {
            let page = self.skip + at / PAGE * PAGE;
            let used = self.bytes[page..page + PAGE]
                .iter()
                .filter(|byte| **byte != 0);
            let own = self
                .foreign
                .iter()
                .filter(|other| *other / PAGE == at / PAGE);
            assert_eq!(used.count(), own.count(), "{context}: the page of {at}");
        }
    }
}

/// Inserts and reads more than fits; whatever hits is right. Answers the hits among the newest.
fn exercise(cache: &mut Cache, entries: u32) -> u32 {
    let value = |number: u32| vec![number as u8; 60 + (number % 80) as usize];
    for number in 0..entries {
        let _ = cache.insert(&number.to_le_bytes(), &value(number));
    }
    let newest = (entries / 2..entries).filter(|number| {
        let held = cache.get(&number.to_le_bytes());
        assert!(held.is_none_or(|held| held == value(*number)));
        held.is_some()
    });
    let hits = newest.count() as u32;
    // More than any arena has, and then something that fits again.
    let _ = cache.insert(b"large", &vec![1; cache.capacity() / 2]);
    let _ = cache.insert(b"small", &[2; 8]);
    cache.validate().unwrap();
    hits
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn empty_pages_serve_as_new_ones_do() {
    let len = 3 * MIB + 5 * PAGE;
    let mut memory = Memory::new(len, &[]);
    let mut cache = Cache::open(memory.region(|_| panic!("nobody's byte is there")));
    assert_eq!(cache.start(), Start::Cold(AttachError::NoImage));
    assert_eq!(cache.capacity(), len);
    let hits = exercise(&mut cache, 60_000);
    let mut fresh = Memory::new(len, &[]);
    let region = Region {
        undeclared: super::UndeclaredPages::NONE,
        ..fresh.region(|_| {})
    };
    assert_eq!(exercise(&mut Cache::open(region), 60_000), hits);
    assert!(hits > 1000);
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn a_byte_anywhere_ends_the_region_before_its_page() {
    static LEFT: AtomicU32 = AtomicU32::new(0);
    let len = 3 * MIB + 5 * PAGE;
    let offsets = [0, 7, PAGE / 2, PAGE - 1];
    let mut found = 0;
    for page in 0..len / PAGE {
        let at = page * PAGE + offsets[page % offsets.len()];
        LEFT.store(u32::MAX, Ordering::Relaxed);
        let context = format!("a byte at {at}");
        let mut memory = Memory::new(len, &[at]);
        let mut cache = Cache::open(memory.region(|left| LEFT.store(left, Ordering::Relaxed)));
        exercise(&mut cache, 30_000);
        let capacity = cache.capacity();
        memory.check(&context);
        let left = LEFT.load(Ordering::Relaxed);
        if left != u32::MAX {
            found += 1;
            assert_eq!(capacity, left as usize, "{context}");
            assert!(capacity <= at, "{context}");
        }
    }
    assert_eq!(found, len / PAGE, "the cache filled its region");
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn an_index_that_cannot_grow_serves_with_what_it_has() {
    let len = 40 * MIB;
    let index_end = {
        let mut memory = Memory::new(len, &[]);
        let mut cache = Cache::open(memory.region(|_| {}));
        exercise(&mut cache, 200_000);
        // Every look that finds nothing lets it grow on.
        assert_eq!(cache.stats().displaced, 0);
        cache.stats().index_bytes as usize
    };
    assert!(index_end > MIB + PAGE, "the index is longer than one step");
    // Steps are two pages long: the byte is the first of one, or stands within one.
    for at in [MIB + PAGE, MIB + 2 * PAGE] {
        let mut memory = Memory::new(len, &[at]);
        let mut cache = Cache::open(memory.region(|_| panic!("the arena is clear")));
        assert!(exercise(&mut cache, 200_000) > 20_000);
        memory.check("the index");
    }
}

#[test]
fn a_region_whose_first_page_is_somebodys_has_no_bytes() {
    let mut memory = Memory::new(MIB, &[100]);
    let region = memory.region(|left| assert_eq!(left, 0));
    let region = region.format([0; 16]).expect_err("no cache has a place");
    assert_eq!(region.capacity(), 0);
    memory.check("the header");
}

#[test]
fn an_image_in_the_region_is_the_regions() {
    let mut memory = Memory::new(MIB, &[]);
    let image = {
        let mut cache = Cache::open(memory.region(|_| {}));
        cache.insert(b"key", b"value").unwrap();
        cache.image().to_vec()
    };
    let mut memory = Memory::new(MIB, &[MIB - 1]);
    let skip = memory.skip;
    memory.bytes[skip..skip + image.len()].copy_from_slice(&image);
    let mut cache = Cache::open(memory.region(|_| {}));
    assert_eq!(cache.start(), Start::Walked);
    assert_eq!(cache.get(b"key"), Some(&b"value"[..]));
}

#[test]
fn an_image_is_loaded_where_the_pages_are_empty() {
    let mut memory = Memory::new(MIB, &[]);
    let image = {
        let mut cache = Cache::open(memory.region(|_| {}));
        cache.insert(b"key", b"value").unwrap();
        cache.image().to_vec()
    };
    for foreign in [None, Some(0), Some(image.len() - 1), Some(MIB - 1)]
        .into_iter()
        .step_by(if cfg!(miri) { 2 } else { 1 })
    {
        let mut memory = Memory::new(MIB, foreign.as_slice());
        let mut region = memory.region(|_| {});
        let mut offers = Vec::new();
        region.load(|place| {
            offers.push(place.len());
            if let Some(place) = place.get_mut(..image.len()) {
                place.copy_from_slice(&image);
            }
            image.len() as u32
        });
        assert_eq!(offers[0], 0);
        let mut cache = Cache::open(region);
        if foreign.is_some_and(|at| at < image.len()) {
            assert_eq!(cache.start(), Start::Cold(AttachError::Disabled));
            assert_eq!(cache.capacity(), 0);
        } else {
            assert_eq!(offers.len(), 2);
            assert_eq!(cache.get(b"key"), Some(&b"value"[..]));
        }
        memory.check("the image");
    }
}
