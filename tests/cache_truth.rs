//! A cache answers the last value that it was told for a key, or nothing: whatever was refused,
//! swept, displaced or forgotten.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::cache::{Cache, InsertError, Lookup, Pool, Scope};
use steadfast::region::{Start, Status, seal};
use steadfast_testkit::cache::{
    Checks, Grants, Script, Spec, Told, noise, open_once, region, region_with_bytes, run_told,
};

const SEEDS: u64 = if cfg!(miri) { 2 } else { 30 };
const STEPS: u64 = if cfg!(miri) { 60 } else { 800 };
const CHECKS: Checks = if cfg!(miri) {
    Checks::SPARSE
} else {
    Checks {
        validate_every: 1,
        compare_every: 7,
    }
};
const SCOPES: [Scope; 3] = [Scope::Main, Scope::View(3), Scope::Application];

/// A script in which values of more than the region come too.
fn script(seed: u64, capacity: u32) -> Script<impl Iterator<Item = u8>> {
    Script::new(noise(seed), capacity as usize * 5 / 4).all_pools()
}

/// A region that is full of garbage, grows, or forgets, as the seed says.
fn spec(seed: u64) -> Spec {
    let capacity = 2_600 + (seed as u32 * 977) % 40_000;
    let grants = Grants::Shares {
        step: 512,
        limit: capacity * 2,
        shares: noise(seed).take(40).map(u32::from).collect(),
    };
    Spec {
        fresh_from: if seed % 3 == 0 { capacity } else { 0 },
        forget_seed: if seed % 2 == 0 { 0 } else { seed as u32 },
        grants: if seed % 5 < 2 { grants } else { Grants::Fixed },
        ..Spec::fresh(capacity)
    }
}

#[test]
fn any_operations_leave_the_last_value_told_or_nothing() {
    let mut hits = 0;
    for seed in 0..SEEDS {
        let spec = spec(seed);
        let mut cache = Cache::new(region(&spec));
        let mut script = script(seed, spec.capacity);
        let summary = run_told(&mut cache, &mut Told::default(), &mut script, STEPS, CHECKS)
            .unwrap_or_else(|mismatch| panic!("seed {seed}, {spec:?}: {mismatch}"));
        hits += summary.stats.hits;
    }
    assert!(hits > 3 * SEEDS, "{hits} hits");
}

/// Images between any two operations, also while an invalidation is not over: open, sealed and
/// shared.
#[test]
fn the_next_instance_answers_the_last_value_told_or_nothing() {
    for seed in 0..SEEDS / 2 {
        let spec = Spec {
            forget_seed: 0,
            grants: Grants::Fixed,
            ..spec(seed)
        };
        let mut told = Told::default();
        let mut script = script(seed, spec.capacity);
        let mut image = Vec::new();
        for turn in 0..12 {
            image = open_once(&spec, &image, |cache, bytes| {
                assert!(turn == 0 || cache.start().is_warm(), "{:?}", cache.start());
                run_told(cache, &mut told, &mut script, STEPS / 12, CHECKS)
                    .unwrap_or_else(|mismatch| panic!("seed {seed}, {spec:?}: {mismatch}"));
                let mut left = bytes.image();
                let status = [Status::Open, Status::Sealed, Status::Shared][turn % 3];
                seal(&mut left, status).unwrap();
                left
            });
        }
    }
}

#[test]
fn a_refused_insert_removes_the_key() {
    for scope in SCOPES {
        for forget_seed in [0, 5] {
            let mut cache = Cache::new(region(&Spec {
                forget_seed,
                ..Spec::fresh(20_000)
            }));
            let _ = cache.scope(scope).insert(b"key", b"old");
            let refused = cache.scope(scope).insert(b"key", &[1; 20_000]);
            assert!(matches!(refused, Err(InsertError::TooLarge { .. })));
            assert_eq!(cache.scope(scope).peek(b"key"), None);
            // For its pool alone it is too large, whether it had a value or not.
            let _ = cache.scope(scope).insert(b"key", b"old");
            cache.set_quota(scope.pool(), 100);
            let refused = cache.scope(scope).insert(b"key", &[1; 101]);
            assert!(matches!(refused, Err(InsertError::TooLarge { .. })));
            assert_eq!(cache.scope(scope).get(b"key"), None);
            assert!(cache.scope(scope).insert(b"key", &[1; 101]).is_err());
            assert!(!cache.scope(scope).remove(b"key"));
            cache.validate().unwrap();
        }
    }
}

/// No length is too long for the format on a 32-bit machine.
#[test]
#[cfg(target_pointer_width = "64")]
#[cfg_attr(miri, ignore = "half a gibibyte")]
fn a_value_that_is_too_long_removes_the_key() {
    let mut cache = Cache::new(region(&Spec::fresh(20_000)));
    cache.insert(b"key", b"old").unwrap();
    let refused = cache.insert(b"key", &vec![0; 1 << 29]);
    assert!(matches!(refused, Err(InsertError::TooLong { .. })));
    assert_eq!(cache.get(b"key"), None);
}

/// What an instance writes over a shared image, it alone sees: so it must not see what it wrote
/// over either.
#[test]
fn a_refused_insert_removes_the_key_from_a_shared_image_too() {
    let spec = Spec::fresh(20_000);
    let (region, bytes) = region_with_bytes(&spec);
    let mut cache = Cache::new(region);
    for scope in SCOPES {
        cache.scope(scope).insert(b"key", b"old").unwrap();
    }
    let mut image = bytes.image();
    seal(&mut image, Status::Shared).unwrap();
    open_once(&spec, &image, |cache, _| {
        assert_eq!((cache.start(), cache.is_read_only()), (Start::Shared, true));
        for scope in SCOPES {
            assert!(cache.scope(scope).insert(b"key", &[1; 20_000]).is_err());
            assert_eq!(cache.scope(scope).get(b"key"), None);
            assert_eq!(cache.scope(scope).peek(b"key"), None);
        }
        cache.validate().unwrap();
    });
}

/// A value that was fetched and not kept leaves nothing behind.
#[test]
fn what_is_fetched_and_does_not_fit_is_not_there() {
    let mut cache = Cache::new(region(&Spec::fresh(20_000)));
    cache.set_quota(Pool::Main, 100);
    let fetched = cache
        .scope(Scope::Main)
        .get_or_fetch(b"key", || vec![1; 101]);
    assert_eq!(fetched, Lookup::Miss(vec![1; 101]));
    assert_eq!(cache.get(b"key"), None);
    let loaded = cache.get_or_load(b"key", 101, |_| panic!("it does not fit"));
    assert!(loaded.is_err());
    assert_eq!(cache.get(b"key"), None);
}

/// A cache with an entry in another pool, which keeps an invalidation above 5 from being over after
/// one step.
fn swept_above_5(steps: usize) -> Cache {
    let mut cache = Cache::new(region(&Spec::fresh(20_000)));
    cache.set_height(10);
    cache.insert(b"main", b"10").unwrap();
    cache
        .scope(Scope::Application)
        .insert(b"api", b"10")
        .unwrap();
    assert!(!cache.invalidate_above_in_steps(5, steps).done);
    cache.set_height(7);
    cache.insert(b"key", b"7").unwrap();
    cache
}

#[test]
fn two_invalidations_under_way_are_both_done_when_they_say_so() {
    for steps in [0, 1] {
        let mut cache = swept_above_5(steps);
        cache.invalidate_above(6);
        assert_eq!(cache.get(b"key"), None);
        assert_eq!(cache.len(), 0);

        let mut cache = swept_above_5(steps);
        assert!(cache.invalidate_above_in_steps(6, usize::MAX).done);
        assert_eq!(cache.peek(b"key"), None);
        cache.insert(b"key", b"7").unwrap();
        assert_eq!(cache.get(b"key"), Some(&b"7"[..]));
        cache.validate().unwrap();
    }
}

/// Values written over, and entries used, go where the walk has been.
#[test]
fn what_is_written_over_behind_the_walk_is_looked_at_again() {
    let mut cache = Cache::new(region(&Spec::fresh(20_000)));
    cache.insert(b"low", b"0").unwrap();
    cache
        .scope(Scope::Application)
        .insert(b"api", b"0")
        .unwrap();
    assert!(!cache.invalidate_above_in_steps(5, 1).done);
    cache.set_height(7);
    // Of the same size, and of another.
    for value in [&b"7"[..], b"longer"] {
        cache.insert(b"low", value).unwrap();
        assert_eq!(cache.get(b"low"), None);
        cache.insert(b"low", value).unwrap();
    }
    assert!(cache.invalidate_above_in_steps(6, usize::MAX).done);
    assert_eq!(cache.get(b"low"), None);
    assert_eq!(cache.len(), 1);
}

/// The same operations lose the same entries for the same seed, and others for another.
#[test]
fn a_forgetful_cache_loses_entries_as_its_seed_says() {
    let lost = |forget_seed| {
        let mut cache = Cache::new(region(&Spec {
            forget_seed,
            ..Spec::fresh(60_000)
        }));
        let found: Vec<bool> = (0..200_u32)
            .map(|number| {
                cache.insert(&(number % 20).to_le_bytes(), &[1; 9]).unwrap();
                let back = (number * 7 % 20).to_le_bytes();
                let is_there = cache.contains(&back);
                let found = cache.get(&back).is_some();
                assert!(is_there || !found, "an entry came back");
                found
            })
            .collect();
        cache.validate().unwrap();
        found
    };
    assert!(lost(0).iter().skip(40).all(|found| *found));
    let found = |seed| lost(seed).iter().filter(|found| **found).count();
    for seed in 1..=8 {
        assert_eq!(lost(seed), lost(seed));
        let found = found(seed);
        assert!((1..195).contains(&found), "seed {seed}: {found} found");
    }
    assert_ne!(lost(1), lost(9));
    // Some seeds lose much more than others.
    assert!(found(5) > 2 * found(7));
}

/// A quota that the arena is below when room is made for an entry, and above once it has grown for
/// it.
#[test]
fn a_pool_keeps_to_its_quota_while_the_region_grows() {
    for above in (0..1_200).step_by(if cfg!(miri) { 401 } else { 6 }) {
        let spec = Spec {
            grants: Grants::Shares {
                step: 256,
                limit: 8_000,
                shares: vec![256; 40],
            },
            ..Spec::fresh(3_000)
        };
        let (region, bytes) = region_with_bytes(&spec);
        let mut cache = Cache::new(region);
        let quota = cache.stats().arena_bytes + above;
        cache.set_quota(Pool::Main, quota);
        for number in 0..60_u32 {
            let value = vec![1; (number * 37 % 200) as usize];
            let _ = cache.insert(&number.to_le_bytes(), &value);
            assert!(cache.used_bytes() <= quota as usize, "quota {quota}");
            cache.validate().unwrap();
        }
        assert!(cache.used_bytes() + 600 > quota as usize);
        let left = Spec::fresh(cache.capacity() as u32);
        let start = open_once(&left, &bytes.image(), |cache, _| cache.start());
        assert_eq!(start, Start::Walked, "quota {quota}");
    }
}

/// With a seed, writing a key may lose it, or others; without one, neither.
#[test]
fn a_forgetful_cache_loses_what_is_written_and_what_is_beside_it() {
    let key = |number: u32| number.to_le_bytes();
    for seed in 0..9 {
        let spec = Spec {
            forget_seed: seed,
            ..Spec::fresh(60_000)
        };
        let mut cache = Cache::new(region(&spec));
        let (mut own, mut others) = (0, 0);
        for number in 0..200 {
            let held = cache.len();
            cache.insert(&key(number), b"value").unwrap();
            own += u32::from(!cache.contains(&key(number)));
            others += held
                - (0..number)
                    .filter(|&earlier| cache.contains(&key(earlier)))
                    .count();
            cache.validate().unwrap();
        }
        assert_eq!(
            (own > 0, others > 0),
            (seed > 0, seed > 0),
            "{seed}: {own}, {others}"
        );
    }
}
