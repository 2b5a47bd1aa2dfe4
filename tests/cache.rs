//! The cache against its oracle: seeded scripts of operations, under every kind of region.
//!
//! Under Miri the regions' memory is leaked on purpose: pass `-Zmiri-ignore-leaks`.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::cache::{Cache, InsertError};
use steadfast::region::{ENTRY_HEADER_BYTES, MAX_KEY_BYTES};
use steadfast_testkit::cache::{Checks, Grants, Script, Spec, Summary, noise, region, run};

/// Miri takes its time: there, everything is shorter.
const SCALE: u64 = if cfg!(miri) { 1 } else { 8 };
const EVERY: Checks = if cfg!(miri) {
    Checks {
        validate_every: 9,
        compare_every: 13,
    }
} else {
    Checks::FULL
};
const STEPS: u64 = if cfg!(miri) { 40 } else { 800 };
/// By how much capacities vary.
const RANGE: u32 = if cfg!(miri) { 3_000 } else { 60_000 };

fn run_seed(spec: &Spec, seed: u64, steps: u64, checks: Checks) -> Summary {
    let mut cache = Cache::new(region(spec));
    let largest = (spec.capacity as usize * 5 / 4).min(100_000);
    let mut script = Script::new(noise(seed), largest);
    run(&mut cache, &mut script, steps, checks)
        .unwrap_or_else(|mismatch| panic!("{spec:?}, seed {seed}: {mismatch}"))
}

#[test]
fn follows_the_oracle_at_small_capacities() {
    for seed in 0..4 * SCALE - if cfg!(miri) { 2 } else { 0 } {
        let capacity = 2_500 + (seed as u32 * 977) % (RANGE / 2);
        run_seed(&Spec::fresh(capacity), seed, STEPS, EVERY);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn follows_the_oracle_at_larger_capacities() {
    let steps = 20_000;
    for (seed, capacity) in [(1, 80_000), (2, 200_000), (3, 1 << 20), (4, 3 << 20)] {
        let summary = run_seed(&Spec::fresh(capacity), seed, steps, Checks::SPARSE);
        assert_eq!(summary.steps, steps);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn follows_the_oracle_whatever_the_expected_entry() {
    for expected_entry in [0, 1, 20, 60, 1024, 100_000, u32::MAX] {
        run_seed(
            &Spec {
                expected_entry,
                ..Spec::fresh(50_000)
            },
            7,
            4_000,
            Checks::FULL,
        );
    }
}

/// A cold start does not depend on what the region holds: results, order and counters are the same.
#[test]
fn dirty_regions_behave_like_fresh_ones() {
    for seed in 0..2 * SCALE {
        let capacity = 2_500 + (seed as u32 * 7_919) % RANGE;
        let fresh = run_seed(&Spec::fresh(capacity), seed, STEPS, EVERY);
        let partly = Spec {
            fresh_from: (seed as u32 * 1_237) % capacity,
            ..Spec::fresh(capacity)
        };
        for spec in [Spec::dirty(capacity), partly] {
            assert_eq!(
                run_seed(&spec, seed, STEPS, EVERY),
                fresh,
                "{spec:?}, seed {seed}"
            );
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn a_large_dirty_region_behaves_like_a_fresh_one() {
    let fresh = run_seed(&Spec::fresh(16 << 20), 11, 10_000, Checks::SPARSE);
    assert_eq!(
        run_seed(&Spec::dirty(16 << 20), 11, 10_000, Checks::SPARSE),
        fresh
    );
}

/// Every capacity gives a cache that works, or one that is disabled.
fn every_capacity_works(capacities: impl Iterator<Item = u32>, steps: u64) {
    let mut enabled_from = None;
    for capacity in capacities {
        for spec in [Spec::fresh(capacity), Spec::dirty(capacity)] {
            let summary = run_seed(&spec, u64::from(capacity), steps, EVERY);
            let is_enabled = summary.stats.capacity_bytes > 0;
            assert!(
                is_enabled || enabled_from.is_none(),
                "{capacity} bytes are disabled, fewer were not"
            );
            if is_enabled {
                enabled_from = enabled_from.or(Some(capacity));
                assert_eq!(summary.stats.capacity_bytes, capacity);
            }
        }
    }
}

#[test]
fn every_small_capacity_works() {
    every_capacity_works(
        (0..=8 << 10).step_by(if cfg!(miri) { 1_208 } else { 8 }),
        40,
    );
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn every_capacity_around_a_boundary_works() {
    for boundary in [64 << 10, 128 << 10, 1 << 20] {
        every_capacity_works((boundary - 160..=boundary + 160).step_by(8), 60);
    }
}

/// The region grows in steps, is given less than it asks for, and is refused at any point. All of
/// that only changes how much it holds.
#[test]
fn grows_on_demand_until_refused() {
    let limit = 100_000;
    for refused_at in 0..if cfg!(miri) { 2 } else { 12 } {
        for share in [256, 100] {
            let grants = Grants::Shares {
                step: 9_001,
                limit,
                shares: vec![share; refused_at],
            };
            let spec = Spec {
                grants,
                ..Spec::fresh(5_000)
            };
            let summary = run_seed(&spec, 3 + refused_at as u64, STEPS, EVERY);
            assert!(summary.stats.capacity_bytes >= 5_000 && summary.stats.capacity_bytes <= limit);
        }
    }
}

#[test]
fn a_region_grown_to_its_limit_holds_as_much_as_one_that_had_it() {
    let limit = if cfg!(miri) { 15_000 } else { 60_000 };
    let mut grown = {
        let grants = Grants::Shares {
            step: 1,
            limit,
            shares: vec![256; 10_000],
        };
        Cache::new(region(&Spec {
            grants,
            ..Spec::fresh(0)
        }))
    };
    let mut fixed = Cache::new(region(&Spec::fresh(limit)));
    for number in 0..if cfg!(miri) { 150 } else { 1_000u32 } {
        for cache in [&mut grown, &mut fixed] {
            cache.insert(&number.to_le_bytes(), &[7; 133]).unwrap();
        }
        assert!(grown.capacity() <= limit as usize);
    }
    grown.validate().unwrap();
    assert!(grown.iter().eq(fixed.iter()));
    assert_eq!(grown.capacity(), limit as usize);
}

#[test]
fn what_cannot_fit_is_refused_and_removes_its_key_alone() {
    let mut cache = Cache::new(region(&Spec::dirty(20_000)));
    for number in 0..50u8 {
        cache.insert(&[number], &[number; 100]).unwrap();
    }
    let held: Vec<_> = cache
        .iter()
        .filter(|(key, _)| *key != [3])
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect();
    let too_large = cache.insert(&[3], &[0; 20_000]);
    assert!(
        matches!(
            too_large,
            Err(InsertError::TooLarge {
                key_bytes: 1,
                value_bytes: 20_000,
                ..
            })
        ),
        "{too_large:?}"
    );
    let long_key = vec![0; 70_000];
    assert!(matches!(
        cache.insert(&long_key, b""),
        Err(InsertError::TooLong {
            key_bytes: 70_000,
            ..
        })
    ));
    assert!(
        cache
            .get_or_load(b"new", 20_000, |_| panic!("not to be called"))
            .is_err()
    );
    assert_eq!(cache.get(&long_key), None);
    assert!(
        cache
            .iter()
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .eq(held)
    );
    assert_eq!(cache.stats().refused, 3);
    cache.validate().unwrap();
}

#[test]
fn the_longest_key_is_found() {
    let mut cache = Cache::new(region(&Spec::fresh(200_000)));
    let mut key = vec![7; MAX_KEY_BYTES as usize];
    cache.insert(&key, b"value").unwrap();
    assert_eq!(cache.get(&key), Some(&b"value"[..]));
    key.push(7);
    assert_eq!(cache.get(&key), None);
    cache.validate().unwrap();
}

#[test]
fn a_key_at_the_arenas_end_is_found() {
    let header = ENTRY_HEADER_BYTES as usize;
    for key in [&[7; 10][..], b""] {
        let mut cache = Cache::new(region(&Spec::fresh(20_000)));
        let arena = cache.stats().arena_bytes as usize;
        let rest = arena - (header + key.len()) - (header + 4);
        let rest = vec![1; rest];
        cache.insert(b"rest", &rest).unwrap();
        cache.insert(key, b"").unwrap();
        assert_eq!(cache.stats().evictions, 0);
        assert_eq!(cache.stats().used_bytes as usize, arena);
        assert_eq!(cache.used_bytes(), arena);
        assert_eq!(cache.get(key), Some(&b""[..]));
        cache.validate().unwrap();
    }
}

/// The largest value that the arena can hold takes the place of everything else, and one byte more
/// does not fit.
#[test]
fn the_largest_value_fits() {
    let mut cache = Cache::new(region(&Spec::fresh(30_000)));
    for number in 0..100u8 {
        cache.insert(&[number], &[number; 37]).unwrap();
    }
    let room = (cache.stats().arena_bytes - ENTRY_HEADER_BYTES) as usize - 4;
    cache.insert(b"huge", &vec![1; room]).unwrap();
    assert_eq!(cache.len(), 1);
    cache.validate().unwrap();
    assert!(cache.insert(b"more", &vec![1; room + 2]).is_err());
    assert_eq!(cache.get(b"huge"), Some(&vec![1; room][..]));
}

// Where a panic aborts, nothing is left to be sound.
#[cfg(panic = "unwind")]
#[test]
fn a_loader_that_panics_leaves_the_cache_sound() {
    let mut cache = Cache::new(region(&Spec::dirty(if cfg!(miri) {
        4_000
    } else {
        20_000
    })));
    for round in 0..if cfg!(miri) { 30 } else { 400u32 } {
        let key = round.to_le_bytes();
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _ = cache.get_or_load(&key, round as usize % 300, |place| {
                place.fill(1);
                if round % 3 == 0 {
                    std::panic::resume_unwind(Box::new(()));
                }
            });
        }));
        assert_eq!(unwound.is_err(), round % 3 == 0);
        assert_eq!(cache.contains(&key), round % 3 != 0);
        cache.validate().unwrap();
    }
}

#[test]
fn with_no_region_everything_misses() {
    let mut cache = Cache::new(steadfast::region::Region::none());
    let summary = run(
        &mut cache,
        &mut Script::new(noise(5), 1_000),
        500,
        Checks::FULL,
    )
    .unwrap();
    assert_eq!(summary.stats, steadfast::cache::Stats::default());
}
