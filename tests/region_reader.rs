//! What a host reads from a region's bytes, and the one thing that it may write there.
#![cfg(not(target_family = "wasm"))]

use steadfast::cache::{Cache, Pool, Scope};
use steadfast::region::{RegionReader, clear};
use steadfast_testkit::cache::{Bytes, Spec, noise, region_with_bytes};

/// Under Miri as little as fills the cache and evicts.
const CAPACITY: u32 = if cfg!(miri) { 8_000 } else { 200_000 };
const INSERTS: u32 = if cfg!(miri) { 120 } else { 3_000 };
const DAMAGED: u32 = if cfg!(miri) { 3 } else { 300 };

fn filled() -> (Cache, Bytes) {
    let (region, bytes) = region_with_bytes(&Spec::fresh(CAPACITY));
    let mut cache = Cache::new(region);
    for number in 0..INSERTS {
        let key = number.to_le_bytes();
        let value = vec![7; (number % 90) as usize];
        cache.insert(&key, &value).unwrap();
        cache.get(&(number / 2).to_le_bytes());
        if number % 5 == 0 {
            cache.remove(&(number - number % 7).to_le_bytes());
        }
    }
    cache
        .scope(Scope::Application)
        .insert(b"own", b"value")
        .unwrap();
    (cache, bytes)
}

fn copy(bytes: &Bytes) -> Vec<u8> {
    bytes.read(0, CAPACITY as usize)
}

#[test]
fn the_survey_finds_what_the_cache_holds() {
    let (cache, bytes) = filled();
    let region = copy(&bytes);
    let reader = RegionReader::of(&region).unwrap();
    let recent: Vec<_> = reader
        .recent(0)
        .map(|block| block.entry.unwrap().key)
        .collect();
    let held: Vec<_> = cache.iter().map(|(key, _)| key).collect();
    assert_eq!(recent, held);
    assert_eq!(reader.recent(2).count(), 1);
    assert_eq!(reader.recent(3).count() + reader.recent(99).count(), 0);
    let info = reader.info();
    let (mut used, mut free, mut end) = (0, 0, info.arena_start);
    for block in reader.blocks() {
        assert_eq!(block.offset, end, "blocks tile the arena");
        end += block.bytes;
        let sum = if block.entry.is_some() {
            &mut used
        } else {
            &mut free
        };
        *sum += block.bytes;
    }
    assert_eq!(end, info.frontier);
    assert_eq!((used, free), (info.stats.used_bytes, info.free_bytes));
    let by_load = reader.buckets_by_load();
    assert_eq!(by_load.iter().sum::<u32>(), info.buckets);
    let taken: u32 = (0..)
        .zip(by_load)
        .map(|(taken, buckets)| taken * buckets)
        .sum();
    assert_eq!(taken, info.stats.entries, "each entry has one slot");
    let ages: Vec<u32> = reader
        .recent(0)
        .map(|block| block.entry.unwrap().age)
        .collect();
    assert!(ages.is_sorted(), "the later in the list, the older");
}

/// However many entries a list says that it has.
#[test]
fn a_list_in_a_circle_has_no_more_bytes_than_the_arena() {
    let (mut cache, bytes) = filled();
    cache.insert(b"large", &[7; 4000]).unwrap();
    let mut region = copy(&bytes);
    let reader = RegionReader::of(&region).unwrap();
    let offsets: Vec<u32> = reader.recent(0).map(|block| block.offset).take(2).collect();
    let [newest, older] = offsets[..] else {
        panic!("there are two");
    };
    let mut header = newest as usize..newest as usize + 24;
    let link = header.find(|&at| region[at..at + 4] == older.to_le_bytes());
    let link = link.expect("the newest entry leads to the next one");
    region[link..link + 4].copy_from_slice(&newest.to_le_bytes());
    let reader = RegionReader::of(&region).unwrap();
    let info = reader.info();
    let walked: u64 = reader.recent(0).map(|block| u64::from(block.bytes)).sum();
    assert!(walked >= 4000);
    assert!(walked <= u64::from(info.frontier - info.arena_start));
}

#[test]
fn any_bytes_are_walked_within_bounds() {
    let (_cache, bytes) = filled();
    let region = copy(&bytes);
    let mut random = noise(11);
    let mut next = |below: usize| {
        let word: Vec<u8> = random.by_ref().take(4).collect();
        u32::from_le_bytes(word.try_into().unwrap()) as usize % below
    };
    for _ in 0..DAMAGED {
        let mut damaged = region.clone();
        for _ in 0..next(40) + 1 {
            let at = 232 + next(damaged.len() - 232);
            damaged[at] = next(256) as u8;
        }
        damaged.truncate(1856 + next(damaged.len() - 1856));
        if let Ok(reader) = RegionReader::of(&damaged) {
            let most = damaged.len() / 8;
            assert!(reader.blocks().count() <= most);
            assert!((0..4).all(|pool| reader.recent(pool).count() <= most));
            assert!(reader.index_load() >= 0.0);
            assert!(reader.buckets_by_load().iter().sum::<u32>() <= reader.info().buckets);
        }
        let _ = clear(&mut damaged);
    }
}

#[test]
fn buckets_that_nobody_has_written_are_empty_whatever_they_hold() {
    let (region, bytes) = region_with_bytes(&Spec::dirty(CAPACITY));
    let mut cache = Cache::new(region);
    for number in 0..5_u32 {
        cache.insert(&number.to_le_bytes(), b"value").unwrap();
    }
    let region = copy(&bytes);
    let by_load = RegionReader::of(&region).unwrap().buckets_by_load();
    let taken: u32 = (0..)
        .zip(by_load)
        .map(|(taken, buckets)| taken * buckets)
        .sum();
    assert_eq!(taken, 5);
}

#[test]
fn a_host_empties_a_cache_that_goes_on_soundly() {
    let (mut cache, bytes) = filled();
    let before = cache.stats();
    let mut region = copy(&bytes);
    clear(&mut region).unwrap();
    for (at, byte) in region.iter().enumerate().take(1856) {
        bytes.write(at, *byte);
    }
    assert!(cache.is_empty());
    assert_eq!(cache.validate(), Ok(()));
    assert_eq!(cache.get(&(INSERTS - 1).to_le_bytes()), None);
    assert_eq!(cache.stats().inserts, before.inserts);
    for number in 0..INSERTS {
        cache.insert(&number.to_le_bytes(), &[9; 40]).unwrap();
    }
    assert_eq!(cache.validate(), Ok(()));
    assert_eq!(cache.get(&(INSERTS - 1).to_le_bytes()), Some(&[9; 40][..]));
    assert_eq!(cache.entries(Pool::Application).count(), 0);
}

/// A free block that says more than is left up to the frontier is none, nor is one that is too
/// short.
#[test]
fn a_block_that_reaches_past_the_frontier_is_none() {
    let (region, bytes) = region_with_bytes(&Spec::fresh(CAPACITY));
    let mut cache = Cache::new(region);
    cache.insert(b"first", &[7; 200]).unwrap();
    cache.insert(b"second", &[8; 200]).unwrap();
    let sound = copy(&bytes);
    let info = *RegionReader::of(&sound).unwrap().info();
    let left = info.frontier - info.arena_start;
    let shown = |word: u32| {
        let mut region = sound.clone();
        let at = info.arena_start as usize;
        region[at..at + 4].copy_from_slice(&word.to_le_bytes());
        RegionReader::of(&region).unwrap().blocks().count()
    };
    assert_eq!(shown(left | 1), 1);
    for bytes in [left + 2, 2 * left, u32::MAX - 1, 0] {
        assert_eq!(shown(bytes | 1), 0, "{bytes}");
    }
}
