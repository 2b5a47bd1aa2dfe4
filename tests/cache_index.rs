//! The index grows with what the cache holds, and loses nothing on the way.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::cache::Cache;
use steadfast::region::{HEADER_BYTES, RegionInfo};
use steadfast_testkit::cache::{Bytes, Spec, region_with_bytes};

/// A region whose index begins with half of its buckets or fewer: entries are expected to be small.
fn open(spec: Spec) -> (Cache, Bytes) {
    let (region, bytes) = region_with_bytes(&Spec {
        expected_entry: 20,
        ..spec
    });
    (Cache::new(region), bytes)
}

fn info(bytes: &Bytes) -> RegionInfo {
    RegionInfo::read(&bytes.read(0, HEADER_BYTES as usize)).unwrap()
}

/// Some keys are long enough to be hashed in two pieces.
fn key(number: u32) -> Vec<u8> {
    let mut key = number.to_le_bytes().to_vec();
    if number % 97 == 0 {
        key.resize(60 + number as usize / 97 % 10, 7);
    }
    key
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn every_entry_is_found_while_the_index_grows_to_its_full_size() {
    let capacity = 4 << 20;
    for spec in [Spec::fresh(capacity), Spec::dirty(capacity)] {
        let (mut cache, bytes) = open(spec);
        let first = info(&bytes).buckets;
        let most = info(&bytes).stats.index_bytes / 64;
        assert!(first * 2 <= most, "{first} buckets of {most}");
        let mut entries = 0;
        let mut seen = 0;
        while info(&bytes).buckets < most {
            for _ in 0..2_000 {
                cache.insert(&key(entries), &entries.to_be_bytes()).unwrap();
                entries += 1;
            }
            let buckets = info(&bytes).buckets;
            assert!(buckets >= seen && u64::from(entries) < 12 * u64::from(most));
            seen = buckets;
            cache.validate().unwrap();
            for number in 0..entries {
                assert_eq!(cache.peek(&key(number)), Some(&number.to_be_bytes()[..]));
            }
        }
        let stats = cache.stats();
        assert_eq!((stats.evictions, stats.displaced, stats.faults), (0, 0, 0));
        // Emptied, it begins anew.
        cache.clear();
        assert_eq!(info(&bytes).buckets, first);
        cache.insert(&key(1), b"again").unwrap();
        assert_eq!(cache.peek(&key(1)), Some(&b"again"[..]));
        assert_eq!(cache.peek(&key(2)), None);
        cache.validate().unwrap();
    }
}

/// With entries of 120 bytes where the plan expects 137, the index is fuller than planned, and
/// still few have to go for want of a slot. For one form of keys it is 300 to 450, whatever the
/// hash.
#[test]
#[cfg_attr(miri, ignore = "too long")]
fn smaller_entries_than_expected_find_a_place() {
    let (mut displaced, mut inserts) = (0, 0);
    for key_len in (4..32).step_by(3) {
        let (region, _) = region_with_bytes(&Spec::fresh(16 << 20));
        let mut cache = Cache::new(region);
        for number in 0..400_000u32 {
            let mut key = number.to_le_bytes().to_vec();
            key.resize(key_len, 0);
            cache.insert(&key, &[0; 120][key_len..]).unwrap();
        }
        cache.validate().unwrap();
        let stats = cache.stats();
        displaced += stats.displaced;
        inserts += stats.inserts;
    }
    println!("{displaced} displaced of {inserts}");
    assert!(displaced * 1_000 <= inserts);
}

/// A lookup that drops what it found may find damage, and empty the cache. What is then stored
/// stands where the index of an empty cache has it.
#[test]
#[cfg_attr(miri, ignore = "too long")]
fn what_is_loaded_after_a_lookup_found_damage_is_found() {
    let (mut cache, bytes) = open(Spec {
        forget_seed: 3,
        ..Spec::fresh(4 << 20)
    });
    let first = info(&bytes).buckets;
    for number in 0..80_000_u32 {
        cache.insert(&number.to_le_bytes(), b"v").expect("it fits");
    }
    assert!(info(&bytes).buckets > first);
    for number in 0..80_000_u32 {
        let key = number.to_le_bytes();
        let Some(value) = cache.peek(&key) else {
            continue;
        };
        // The entry says that it stands in another group.
        let group = bytes.place_of(value).start - key.len() - 2;
        bytes.write(group, bytes.read(group, 1)[0] ^ 1);
        let loaded = cache.get_or_load(&key, 1, |place| place.fill(b'w'));
        assert!(loaded.is_ok());
        if cache.stats().faults > 0 {
            assert_eq!(cache.peek(&key), Some(&b"w"[..]));
            assert_eq!(cache.validate(), Ok(()));
            return;
        }
    }
    panic!("no lookup found damage");
}
