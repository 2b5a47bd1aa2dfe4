//! The region's format: what a host reads, what an entry costs, and what damage does.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::cache::{Cache, HashedKey, Pool, Scope};
use steadfast::region::{FORMAT_VERSION, FormatError, HEADER_BYTES, RegionInfo, block_bytes};
use steadfast_testkit::cache::{
    Checks, Script, Spec, colliding_keys, keys_of_first_bucket, noise, region, region_with_bytes,
    run, two_buckets,
};

/// So many keys whose hashes do not tell more than chance does.
fn keys(number: u64) -> Vec<HashedKey<[u8; 16]>> {
    let key =
        |number: u64| u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    (0..number)
        .map(|number| HashedKey::new(key(number).to_le_bytes()))
        .collect()
}

/// A cache of 16 MiB that was told these keys, in this order.
fn holding(keys: &[HashedKey<[u8; 16]>]) -> Cache {
    let mut cache = Cache::new(region(&Spec::fresh(16 << 20)));
    for key in keys {
        cache.scope(Scope::Main).insert_hashed(key, b"1").unwrap();
    }
    cache
}

/// They fill the buckets of one place in all groups, then those of the next: long before there are
/// five for each bucket, all pairs are full that a key could have.
#[test]
#[cfg_attr(miri, ignore = "too long, and safe")]
fn keys_in_the_order_of_their_places_do_not_keep_the_index_from_growing() {
    const KEYS: u64 = 200_000;
    let mut chosen = keys(KEYS);
    chosen.sort_by_key(|key| key.index_hash() >> 48);
    let cache = holding(&chosen);
    // More than half of them, as many as the largest index of this region has slots for.
    assert!(cache.len() > 120_000, "{}", cache.len());
    cache.validate().unwrap();
}

/// As a program stores what stood in a table of its own.
#[test]
#[cfg_attr(miri, ignore = "too long, and safe")]
fn keys_in_the_order_of_a_table_with_their_hash_are_all_kept() {
    const KEYS: u64 = 60_000;
    let mut keys = keys(KEYS);
    keys.sort_by_key(|key| key.hash() % (1 << 17));
    let cache = holding(&keys);
    assert_eq!((cache.stats().displaced, cache.len() as u64), (0, KEYS));
}

#[test]
fn a_host_reads_the_header_without_calling_the_guest() {
    let capacity = if cfg!(miri) { 4_000 } else { 300_000 };
    let (region, bytes) = region_with_bytes(&Spec::dirty(capacity));
    let mut cache = Cache::new(region);
    cache.set_user_tag(&[0xAB; 40]);
    let mut script = Script::new(noise(9), 2_000);
    let summary = run(
        &mut cache,
        &mut script,
        if cfg!(miri) { 40 } else { 3_000 },
        Checks::SPARSE,
    )
    .unwrap();
    let info: RegionInfo = RegionInfo::read(&bytes.read(0, HEADER_BYTES as usize)).unwrap();
    let stats = summary.stats;
    assert_eq!(
        (info.stats.hits, info.stats.misses, info.inserts),
        (stats.hits, stats.misses, stats.inserts)
    );
    assert_eq!(
        (info.stats.evictions, info.displaced),
        (stats.evictions, stats.displaced)
    );
    assert_eq!(
        (info.window_evictions, info.relocated),
        (stats.window_evictions, stats.relocated)
    );
    assert_eq!(
        (info.stats.entries, info.stats.used_bytes, info.free_bytes),
        (stats.entries, stats.used_bytes, stats.free_bytes)
    );
    assert_eq!(
        (info.capacity, info.stats.index_bytes, info.plan_fingerprint),
        (capacity, stats.index_bytes, 0x5EED)
    );
    assert_eq!(info.user_tag, [0xAB; 40]);
}

#[test]
fn what_is_no_header_is_refused() {
    assert_eq!(
        RegionInfo::read(&[]),
        Err(FormatError::Truncated { given: 0 })
    );
    assert_eq!(
        RegionInfo::read(&[0; HEADER_BYTES as usize]),
        Err(FormatError::NotARegion)
    );
    let (region, bytes) = region_with_bytes(&Spec::fresh(300_000));
    let _cache = Cache::new(region);
    let sound = bytes.read(0, HEADER_BYTES as usize);
    assert!(RegionInfo::read(&sound).is_ok());
    let with = |at: usize, value: u8| {
        let mut bytes = sound.clone();
        bytes[at] ^= value;
        RegionInfo::read(&bytes)
    };
    let found = FORMAT_VERSION ^ 1;
    assert_eq!(with(8, 1), Err(FormatError::Version { found }));
    // The header's size, and the geometry behind magic, version, size, fingerprint, hash and
    // capacity.
    for at in (12..16).chain(44..60) {
        assert!(with(at, 0x80).is_err(), "byte {at}");
    }
}

/// Header, index share and rounding of an entry, when the arena is full of entries of the expected
/// size.
#[test]
#[cfg_attr(miri, ignore = "too long")]
fn an_entry_of_the_expected_size_costs_at_most_30_bytes() {
    for payload in [60usize, 137, 1024] {
        let spec = Spec {
            expected_entry: payload as u32,
            ..Spec::fresh(8 << 20)
        };
        let mut cache = Cache::new(region(&spec));
        for number in 0..(20 << 20) / payload as u64 {
            cache
                .insert(&number.to_le_bytes(), &vec![0; payload - 8])
                .unwrap();
        }
        cache.validate().unwrap();
        let stats = cache.stats();
        let all_in = f64::from(stats.capacity_bytes - HEADER_BYTES) / f64::from(stats.entries)
            - payload as f64;
        println!(
            "{payload} B: {all_in:.2} B an entry, {} displaced of {}",
            stats.displaced, stats.inserts
        );
        assert!(all_in <= 30.0, "{payload} B: {all_in:.2} B an entry");
        assert!(
            stats.displaced * 1_000 <= stats.inserts,
            "{} displaced of {}",
            stats.displaced,
            stats.inserts
        );
    }
}

/// Whatever is done to the region's bytes from outside, no operation panics or runs away. (That
/// none leaves the region is what Miri and the accessors' checks are for.)
#[test]
fn damage_never_panics() {
    let rounds = if cfg!(miri) { 2 } else { 600 };
    let mut faults = 0;
    for round in 0..rounds {
        let (region, bytes) = region_with_bytes(&Spec::fresh(3_000 + round as u32 % 7 * 1_500));
        let mut cache = Cache::new(region);
        let mut noise = noise(round);
        let mut random = || noise.next().unwrap();
        for _ in 0..if cfg!(miri) { 40 } else { 200u32 } {
            let key = [random() % 64; 7];
            let _ = cache.insert(&key, &vec![0; usize::from(random())]);
            if random() < 20 {
                let at = usize::from(random()) << 8 | usize::from(random());
                bytes.write(
                    at % cache.capacity(),
                    [random(), random()][usize::from(random() % 2)],
                );
                let _ = cache.validate();
            }
            let _ = cache.get(&[random() % 64; 7]);
            let _ = cache.get_or_load(&[random() % 64; 7], usize::from(random()) * 8, |_| {});
            cache.remove(&[random() % 64; 7]);
            let _ = cache
                .scope(Scope::View(u32::from(random() % 3)))
                .insert(&[1; 7], &key);
            match random() {
                0 => drop(cache.evict_to(0)),
                1..3 => drop(cache.invalidate_above(1)),
                3..9 => drop(cache.invalidate_above_in_steps(1, 3)),
                9 => drop(cache.set_quota(Pool::Views, 200)),
                _ => {}
            }
            assert!(cache.iter().count() <= 1 << 16);
        }
        faults += cache.stats().faults;
        cache.clear();
        let _ = cache.insert(b"after", b"all");
    }
    assert!(cfg!(miri) || faults > 0, "no damage was ever found");
}

/// With one pair of buckets for everything, what is displaced is the least recently used entry, or
/// one that was used since the same insert.
#[test]
fn a_full_pair_of_buckets_gives_up_its_oldest() {
    // An expected entry of 1,000 bytes gives two buckets; entries of one byte overfill them.
    let spec = Spec {
        expected_entry: 1_000,
        ..Spec::fresh(HEADER_BYTES + 12_000)
    };
    let mut cache = Cache::new(region(&spec));
    assert_eq!(cache.stats().index_bytes, 128);
    let mut order: Vec<u16> = Vec::new();
    for number in 0..if cfg!(miri) { 36 } else { 500u16 } {
        let before = cache.stats();
        cache.insert(&number.to_le_bytes(), b"").unwrap();
        let after = cache.stats();
        assert_eq!(after.evictions, 0);
        if after.displaced > before.displaced && after.entries == 24 {
            let missing: Vec<_> = order
                .iter()
                .filter(|key| !cache.contains(&key.to_le_bytes()))
                .copied()
                .collect();
            assert_eq!(missing.len(), 1);
            assert!(order[..2].contains(&missing[0]), "{missing:?}, {order:?}");
        }
        order.retain(|key| cache.contains(&key.to_le_bytes()));
        order.push(number);
        let used = order[usize::from(number) * 7 % order.len()];
        assert!(cache.get(&used.to_le_bytes()).is_some());
        order.retain(|&key| key != used);
        order.push(used);
        cache.validate().unwrap();
    }
    assert!(cache.stats().displaced > if cfg!(miri) { 10 } else { 400 });
    assert_eq!(block_bytes(2, 0), Some(24));
}

#[test]
fn the_hash_is_what_the_specification_says() {
    let specified = include_str!("../docs/formats.md");
    let vectors = specified.lines().filter_map(|line| {
        let (len, hash) = line
            .strip_prefix("| ")?
            .strip_suffix("` |")?
            .split_once(" | `")?;
        Some((len.parse().ok()?, u64::from_str_radix(hash, 16).ok()?))
    });
    let vectors: Vec<(usize, u64)> = vectors.collect();
    assert!(vectors.len() > 10);
    for (len, expected) in vectors {
        let key: Vec<u8> = (0..len).map(|at| at as u8).collect();
        assert_eq!(HashedKey::new(&key).index_hash(), expected, "{len} bytes");
    }
}

/// However many keys agree in buckets and tag, a search compares few of them.
#[test]
#[cfg_attr(miri, ignore = "too long")]
fn of_keys_that_collide_few_are_held() {
    const CAPACITY: u32 = 128 << 10;
    const MOST: usize = 4;
    let keys = colliding_keys(CAPACITY, 40).unwrap();
    for others in [0, CAPACITY / 64] {
        let mut cache = Cache::new(region(&Spec::fresh(CAPACITY)));
        for number in 0..others {
            cache.insert(&number.to_le_bytes(), &[1; 96]).unwrap();
        }
        let before = cache.stats();
        let mut most = 0;
        for round in 0..5 {
            for key in keys.iter().cycle().skip(round * 7).take(keys.len()) {
                if round % 2 == 0 {
                    cache.insert(key, b"chosen").unwrap();
                } else {
                    let _ = cache.scope(Scope::Main).get_or_fetch(key, || b"chosen");
                }
                assert_eq!(cache.peek(key), Some(&b"chosen"[..]));
                most = most.max(keys.iter().filter(|key| cache.contains(key)).count());
            }
            cache.validate().unwrap();
        }
        assert_eq!(most, MOST, "{others} others");
        let displaced = cache.stats().displaced - before.displaced;
        assert!(displaced >= 100, "{displaced} of {others}");
    }
}

/// In an index that is full, entries that were used since the same insert are displaced in turn:
/// not the one that was entered last, again and again.
#[test]
#[cfg_attr(miri, ignore = "too long")]
fn two_keys_of_one_pair_do_not_displace_each_other_for_long() {
    const CAPACITY: u32 = 1 << 20;
    let keys = colliding_keys(CAPACITY, 2).expect("there are two");
    let mut cache = Cache::new(region(&Spec::fresh(CAPACITY)));
    for number in 0..30_000_u32 {
        cache.insert(&number.to_le_bytes(), b"").unwrap();
    }
    let stats = cache.stats();
    assert_eq!(
        stats.entries,
        stats.index_bytes / 64 * 12,
        "the index is full"
    );
    // They have all been used since the same insert.
    for number in 0..30_000_u32 {
        cache.get(&number.to_le_bytes());
    }
    let misses = (0..10_000)
        .filter(|turn| {
            let key = &keys[turn % 2];
            let misses = cache.get(key).is_none();
            if misses {
                cache.insert(key, b"").unwrap();
            }
            misses
        })
        .count();
    assert!(misses < 50, "{misses}");
}

/// A key that a sweep drops from its other bucket still knows that its home has as many entries
/// with its tag as it takes.
#[test]
fn a_bucket_is_not_crowded_by_what_is_loaded_in_a_sweep() {
    let others = keys_of_first_bucket(|tag| tag % 8 != 77 % 8);
    let others: Vec<[u8; 4]> = others.take(12).collect();
    let alike: Vec<[u8; 4]> = keys_of_first_bucket(|tag| tag == 77).take(8).collect();
    let mut cache = Cache::new(region(&two_buckets()));
    assert_eq!(cache.stats().index_bytes, 128);
    cache.set_height(9);
    for key in others.iter().chain(&alike[..4]) {
        cache.insert(key, b"v").unwrap();
    }
    cache.set_height(0);
    for key in &others {
        assert!(cache.remove(key));
    }
    for key in &alike[4..] {
        cache.insert(key, b"v").unwrap();
    }
    assert_eq!(cache.stats().displaced, 0);
    assert!(!cache.invalidate_above_in_steps(5, 0).done);
    for key in &alike[..4] {
        cache.get_or_load(key, 1, |place| place.fill(1)).unwrap();
        assert_eq!(cache.validate(), Ok(()));
    }
    assert_eq!(cache.stats().displaced, 4);
}

/// A search takes a tag that differs in its last bit for the one looked for, behind one that is
/// equal. What is displaced has the tag.
#[test]
fn a_bucket_is_not_crowded_by_a_tag_that_differs_in_one_bit() {
    let alike: Vec<[u8; 4]> = keys_of_first_bucket(|tag| tag == 196).take(9).collect();
    let other = keys_of_first_bucket(|tag| tag == 197).next().unwrap();
    for behind in 1..=4 {
        let mut cache = Cache::new(region(&two_buckets()));
        for key in alike[..behind]
            .iter()
            .chain([&other])
            .chain(&alike[behind..])
        {
            cache.insert(key, b"v").unwrap();
            assert_eq!(cache.validate(), Ok(()));
            assert_eq!(cache.peek(key), Some(&b"v"[..]));
        }
        assert!(cache.contains(&other));
        assert_eq!(cache.stats().displaced, 5);
    }
}
