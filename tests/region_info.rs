//! What a host reads from a region's bytes, field by field. The places are those of
//! `docs/formats.md`.
#![cfg(not(target_family = "wasm"))]

use steadfast::cache::{Cache, Scope};
use steadfast::region::{
    FORMAT_VERSION, FormatError, Geometry, HEADER_BYTES, Region, RegionInfo, RegionReader, Status,
    clear,
};
use steadfast_testkit::cache::{Bytes, Spec, region_with_bytes};

const CAPACITY: u32 = 20_000;

const FREE_BYTES: usize = 120;
const FRONTIER: usize = 116;
const CLOCK: usize = 140;
const STALE_PAGES: usize = 144;
const POOLS: usize = 232;
const POOL_BYTES: usize = 64;
const READY: usize = 1780;
const SWEEP_ABOVE: usize = 1792;

/// The header of an empty region.
fn header() -> Vec<u8> {
    let (region, bytes) = region_with_bytes(&Spec::fresh(CAPACITY));
    let _cache = Cache::new(region);
    bytes.read(0, HEADER_BYTES as usize)
}

fn set(bytes: &mut [u8], at: usize, word: u32) {
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
}

fn get(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

#[test]
fn each_field_is_read_from_its_place() {
    type Field = (usize, fn(&RegionInfo) -> u64);
    let words: [Field; 3] = [
        (FREE_BYTES, |info| info.free_bytes.into()),
        (228, |info| info.height.into()),
        (FRONTIER, |info| info.frontier.into()),
    ];
    let longs: [Field; 8] = [
        (16, |info| info.plan_fingerprint),
        (152, |info| info.inserts),
        (160, |info| info.displaced),
        (168, |info| info.window_evictions),
        (176, |info| info.relocated),
        (184, |info| info.faults),
        (192, |info| info.refused),
        (200, |info| info.module_tag),
    ];
    let mut bytes = header();
    let value = |at: usize| 5_000 + at as u64;
    for (at, _) in words {
        set(&mut bytes, at, value(at) as u32);
    }
    for (at, _) in longs {
        bytes[at..at + 8].copy_from_slice(&(value(at) << 32 | 7).to_le_bytes());
    }
    bytes[24..40].copy_from_slice(b"a hash of others");
    bytes[76..116].copy_from_slice(&[0xAB; 40]);
    let info = RegionInfo::read(&bytes).expect("it is a header");
    for (at, read) in words {
        assert_eq!(read(&info), value(at), "word {at}");
    }
    for (at, read) in longs {
        assert_eq!(read(&info), value(at) << 32 | 7, "long {at}");
    }
    assert_eq!(&info.hash, b"a hash of others");
    assert_eq!(info.user_tag, [0xAB; 40]);
    let geometry = Geometry::new(CAPACITY, 137).expect("it is large enough");
    assert_eq!((info.format, info.header_bytes), (FORMAT_VERSION, 1856));
    assert_eq!((info.capacity, info.limit), (CAPACITY, CAPACITY));
    assert_eq!(
        (info.expected_entry, info.arena_start),
        (137, geometry.arena_start)
    );
    assert_eq!(
        (info.buckets, info.stats.index_bytes),
        (geometry.max_buckets(), geometry.index_bytes())
    );
    assert_eq!(
        info.image_parts(),
        [0..geometry.arena_start, geometry.arena_start..info.frontier]
    );
    for (code, status) in [
        (1, Status::Open),
        (2, Status::Changing),
        (3, Status::Closed),
        (4, Status::Sealed),
        (5, Status::Shared),
    ] {
        set(&mut bytes, 72, code);
        assert_eq!(RegionInfo::read(&bytes).map(|info| info.status), Ok(status));
    }
    for code in [0, 6, u32::MAX] {
        set(&mut bytes, 72, code);
        assert_eq!(RegionInfo::read(&bytes), Err(FormatError::Damaged));
    }
}

#[test]
fn the_pools_are_read_and_summed() {
    let mut bytes = header();
    for pool in 0..4 {
        let at = POOLS + pool * POOL_BYTES;
        for word in 0..POOL_BYTES / 4 {
            set(&mut bytes, at + 4 * word, 0);
        }
        // Entries, bytes, quota; hits, misses, evictions.
        for (place, value) in [
            (8, 10),
            (12, 200),
            (16, 3_000),
            (24, 40),
            (32, 500),
            (40, 6_000),
        ] {
            set(&mut bytes, at + place, value * (pool as u32 + 1));
        }
    }
    let info = RegionInfo::read(&bytes).expect("it is a header");
    for (number, pool) in info.stats.pools.iter().enumerate() {
        let times = number as u32 + 1;
        assert_eq!((pool.entries, pool.used_bytes), (10 * times, 200 * times));
        assert_eq!(pool.quota_bytes, 3_000 * times);
        let times = u64::from(times);
        assert_eq!((pool.hits, pool.misses), (40 * times, 500 * times));
        assert_eq!(pool.evictions, 6_000 * times);
    }
    // The fourth is not in use.
    assert_eq!((info.stats.entries, info.stats.used_bytes), (60, 1_200));
    assert_eq!(
        (info.stats.hits, info.stats.misses, info.stats.evictions),
        (240, 3_000, 36_000)
    );
}

/// What `inspect` says after a word was changed.
fn with(bytes: &[u8], at: usize, word: u32) -> Result<RegionInfo, FormatError> {
    let mut bytes = bytes.to_vec();
    set(&mut bytes, at, word);
    RegionInfo::read(&bytes)
}

#[test]
fn a_geometry_that_contradicts_itself_is_refused() {
    let bytes = header();
    // Header's bytes, group buckets, levels, first level, arena's start, buckets, whole buckets,
    // mask.
    for at in [12, 52, 56, 60, 64, 124, 128, 132] {
        for more in [-1, 1] {
            let word = get(&bytes, at).wrapping_add_signed(more);
            assert_eq!(
                with(&bytes, at, word),
                Err(FormatError::Damaged),
                "word {at}"
            );
        }
    }
    for limit in [0, 1_855, 1_900, 2 * CAPACITY] {
        assert_eq!(with(&bytes, 44, limit), Err(FormatError::Damaged));
    }
    // Capacity and frontier.
    let arena_start = get(&bytes, 64);
    for (at, word, fits) in [
        (40, CAPACITY - 1, true),
        (40, CAPACITY + 1, false),
        (40, arena_start, true),
        (40, arena_start - 1, false),
        (FRONTIER, arena_start - 1, false),
        (FRONTIER, arena_start, true),
        (FRONTIER, CAPACITY, true),
        (FRONTIER, CAPACITY + 1, false),
    ] {
        assert_eq!(with(&bytes, at, word).is_ok(), fits, "word {at}: {word}");
    }
}

#[test]
fn an_index_is_admitted_as_far_as_it_can_have_grown() {
    let spec = Spec {
        expected_entry: 20,
        ..Spec::fresh(8 << 20)
    };
    let (region, bytes) = region_with_bytes(&spec);
    let _cache = Cache::new(region);
    let bytes = bytes.read(0, HEADER_BYTES as usize);
    let geometry = Geometry::new(8 << 20, 20).expect("it is large enough");
    let Geometry {
        group_buckets,
        levels,
        first_level,
        ..
    } = geometry;
    assert!(levels >= first_level + 2, "{geometry:?}");
    let admits = |buckets: u32, whole: u32, mask: u32| {
        let mut bytes = bytes.clone();
        for (at, word) in [(124, buckets), (128, whole), (132, mask)] {
            set(&mut bytes, at, word);
        }
        RegionInfo::read(&bytes).is_ok()
    };
    for level in 0..levels + 2 {
        let (whole, mask) = (group_buckets << level, (2 << level) - 1);
        let fits = (first_level..=levels).contains(&level);
        assert_eq!(admits(whole, whole, mask), fits, "level {level}");
        let grows = fits && level < levels;
        assert_eq!(admits(whole + 1, whole, mask), grows, "level {level}");
        assert_eq!(admits(2 * whole - 1, whole, mask), grows, "level {level}");
        assert!(!admits(whole - 1, whole, mask));
        assert!(!admits(2 * whole, whole, mask));
        assert!(!admits(whole, whole, mask + 1));
        assert!(!admits(whole, whole, mask / 2));
        assert!(!admits(whole, whole + 2, mask));
    }
}

fn small() -> (Cache, Bytes) {
    let spec = Spec {
        expected_entry: 2_000,
        ..Spec::fresh(CAPACITY)
    };
    let (region, bytes) = region_with_bytes(&spec);
    let mut cache = Cache::new(region);
    cache.set_height(7);
    for key in [b"a", b"bb" as &[u8], b"ccc"] {
        cache
            .insert(key, &vec![1; 10 * key.len()])
            .expect("it fits");
    }
    cache
        .scope(Scope::View(3))
        .insert(b"dddd", &[2; 5])
        .expect("it fits");
    (cache, bytes)
}

#[test]
fn the_image_of_a_cache_ends_at_the_frontier() {
    let (cache, bytes) = small();
    assert!(!cache.image().is_empty());
    assert_eq!(cache.image(), bytes.image());
}

fn copy(bytes: &Bytes) -> Vec<u8> {
    bytes.read(0, CAPACITY as usize)
}

#[test]
fn an_entry_is_shown_with_its_age() {
    let (mut cache, bytes) = small();
    cache.get(b"a");
    let ages = |region: &[u8]| -> Vec<(Vec<u8>, u32)> {
        let reader = RegionReader::of(region).expect("it is a region");
        assert_eq!(reader.age_step(), 1);
        let entries = reader.recent(0).filter_map(|block| block.entry);
        entries
            .map(|entry| (entry.key.to_vec(), entry.age))
            .collect()
    };
    let named = |ages: [u32; 3]| -> Vec<(Vec<u8>, u32)> {
        let keys = [&b"a"[..], b"ccc", b"bb"];
        keys.map(<[u8]>::to_vec).into_iter().zip(ages).collect()
    };
    let mut region = copy(&bytes);
    assert_eq!(ages(&region), named([0, 1, 2]));
    let clock = get(&region, CLOCK);
    set(&mut region, CLOCK, clock + 8);
    assert_eq!(ages(&region), named([8, 9, 10]));
    // Stamps have 5 bits. The order of the list tells how often they have wrapped, from the newest
    // entry's on.
    set(&mut region, CLOCK, clock + 31);
    assert_eq!(ages(&region), named([31, 32, 33]));
    set(&mut region, CLOCK, clock + (1 << 5));
    assert_eq!(ages(&region), named([0, 1, 2]));

    let reader = RegionReader::of(&region).expect("it is a region");
    let of_views = reader.recent(1).next().and_then(|block| block.entry);
    let entry = of_views.expect("there is one");
    assert_eq!((entry.pool, entry.height), (1, 3));
    assert_eq!((entry.key, entry.value_bytes), (&b"dddd"[..], 5));
    let heights: Vec<u32> = reader
        .blocks()
        .filter_map(|block| Some(block.entry?.height))
        .collect();
    assert_eq!(heights, [7, 7, 7, 3]);
}

#[test]
fn ages_have_steps_where_there_are_many_entries() {
    let spec = Spec {
        expected_entry: 20,
        ..Spec::fresh(1 << 20)
    };
    let (region, bytes) = region_with_bytes(&spec);
    let mut cache = Cache::new(region);
    for number in 0..100_u32 {
        cache.insert(&number.to_le_bytes(), b"").expect("it fits");
    }
    let region = bytes.read(0, 1 << 20);
    let reader = RegionReader::of(&region).expect("it is a region");
    let shift = get(&region, 68);
    assert!(shift > 0);
    assert_eq!(reader.age_step(), 1 << shift);
    for (behind, block) in (0..).zip(reader.recent(0)) {
        let age = block.entry.expect("it is an entry").age;
        let stamp = |clock: u32| clock >> shift;
        assert_eq!(age, (stamp(100) - stamp(100 - behind)) << shift, "{behind}");
    }
}

#[test]
fn the_load_of_the_index_counts_its_slots() {
    let (cache, bytes) = small();
    let mut region = copy(&bytes);
    let reader = RegionReader::of(&region).expect("it is a region");
    let buckets = reader.info().buckets;
    assert_eq!(reader.index_load(), 4.0 / (12.0 * f64::from(buckets)));
    let by_load = reader.buckets_by_load();
    assert_eq!(by_load.iter().sum::<u32>(), buckets);
    let taken: u32 = (0..).zip(by_load).map(|(load, count)| load * count).sum();
    assert_eq!(taken, cache.len() as u32);

    // On a stale page nothing counts, until it is cleared.
    set(&mut region, STALE_PAGES, 1);
    let all_empty = |region: &[u8]| {
        let reader = RegionReader::of(region).expect("it is a region");
        reader.buckets_by_load()[0] == buckets
    };
    assert!(all_empty(&region));
    set(&mut region, READY, 2);
    assert!(all_empty(&region));
    set(&mut region, READY, 1);
    assert!(!all_empty(&region));
    // Where the bytes end, the buckets do.
    let cut = &region[..HEADER_BYTES as usize + 64 + 11];
    let reader = RegionReader::of(cut).expect("it is a region");
    assert_eq!(reader.buckets_by_load().iter().sum::<u32>(), 1);
    let cut = &region[..HEADER_BYTES as usize + 64 + 12];
    let reader = RegionReader::of(cut).expect("it is a region");
    assert_eq!(reader.buckets_by_load().iter().sum::<u32>(), 2);
}

#[test]
fn a_host_empties_a_region_as_the_cache_clears_it() {
    let (mut cache, bytes) = small();
    cache.remove(b"bb");
    assert!(!cache.invalidate_above_in_steps(2, 1).done);
    let mut emptied = copy(&bytes);
    clear(&mut emptied).expect("it is a region");
    cache.clear();
    let cleared = copy(&bytes);
    let header = HEADER_BYTES as usize;
    // The height of an invalidation has no meaning while none is under way.
    for at in (0..header).step_by(4).filter(|at| *at != SWEEP_ABOVE) {
        assert_eq!(get(&emptied, at), get(&cleared, at), "word {at}");
    }
    assert_eq!(emptied[header..], cleared[header..]);
    // Nothing is written to what is no region.
    let mut other = vec![7; 4096];
    assert_eq!(clear(&mut other), Err(FormatError::NotARegion));
    assert!(other.iter().all(|byte| *byte == 7));
}

#[test]
fn a_region_has_the_capacity_that_it_was_given() {
    for capacity in [1, 4_095, CAPACITY] {
        let (region, _) = region_with_bytes(&Spec::fresh(capacity));
        assert_eq!(region.capacity(), capacity);
    }
    assert_eq!(Region::none().capacity(), 0);
}
