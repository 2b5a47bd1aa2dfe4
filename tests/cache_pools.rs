//! Pools, their quotas, and heights.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::cache::{Cache, HashedKey, InsertError, Lookup, Pool, Scope};
use steadfast::region::{HEADER_BYTES, RegionInfo, SLACK_BYTES, block_bytes};
use steadfast_testkit::cache::{Checks, Script, Spec, noise, region, region_with_bytes, run};

const SCOPES: [Scope; 4] = [
    Scope::Main,
    Scope::View(1),
    Scope::View(2),
    Scope::Application,
];

fn open(capacity: u32) -> Cache {
    Cache::new(region(&Spec::fresh(capacity)))
}

fn held(cache: &Cache, pool: Pool) -> usize {
    cache.pool_info(pool).entries as usize
}

/// One that was hashed once is as good in each scope, whoever holds its bytes.
#[test]
fn a_hashed_key_is_the_key_of_its_bytes_in_every_scope() {
    let mut cache = open(20_000);
    for number in 0_u8..100 {
        let bytes = vec![number; usize::from(number)];
        let (owned, lent) = (HashedKey::new(bytes.clone()), HashedKey::new(&bytes));
        assert_eq!((owned.bytes(), owned.key()), (&bytes[..], &bytes));
        assert_eq!(owned.hash(), lent.hash());
        for (value, scope) in (number..).zip(SCOPES) {
            assert_eq!(cache.scope(scope).get_hashed(&lent), None);
            cache.scope(scope).insert_hashed(&owned, &[value]).unwrap();
            assert_eq!(cache.scope(scope).get(&bytes), Some(&[value][..]));
        }
        for (value, scope) in (number..).zip(SCOPES) {
            assert_eq!(cache.scope(scope).get_hashed(&lent), Some(&[value][..]));
            assert!(cache.scope(scope).remove_hashed(&owned));
            assert!(!cache.scope(scope).remove(&bytes));
            let fetched = cache.scope(scope).get_or_fetch_hashed(&owned, || [9]);
            assert_eq!(fetched, Lookup::Miss([9]));
            assert_eq!(cache.scope(scope).peek(&bytes), Some(&[9][..]));
        }
        cache.validate().unwrap();
    }
}

#[test]
fn follows_the_oracle_in_all_pools() {
    let (seeds, steps) = if cfg!(miri) { (3, 60) } else { (60, 1_500) };
    for seed in 0..seeds {
        let capacity = 2_600 + (seed as u32 * 977) % 40_000;
        let mut cache = open(capacity);
        let mut script = Script::new(noise(seed), capacity as usize / 2).all_pools();
        let checks = if cfg!(miri) {
            Checks::SPARSE
        } else {
            Checks::FULL
        };
        run(&mut cache, &mut script, steps, checks)
            .unwrap_or_else(|mismatch| panic!("{capacity} bytes, seed {seed}: {mismatch}"));
    }
}

#[test]
fn the_same_key_in_two_scopes_is_two_entries() {
    let mut cache = open(20_000);
    for (number, scope) in SCOPES.into_iter().enumerate() {
        assert_eq!(cache.scope(scope).get(b"key"), None);
        cache
            .scope(scope)
            .insert(b"key", &[number as u8; 9])
            .unwrap();
    }
    for (number, scope) in SCOPES.into_iter().enumerate() {
        let expected = [number as u8; 9];
        assert_eq!(cache.scope(scope).peek(b"key"), Some(&expected[..]));
        assert_eq!(cache.scope(scope).get(b"key"), Some(&expected[..]));
    }
    assert_eq!(cache.scope(Scope::View(3)).get(b"key"), None);
    assert_eq!(cache.len(), 4);
    assert_eq!(Pool::ALL.map(|pool| held(&cache, pool)), [1, 2, 1]);
    assert!(cache.scope(Scope::View(2)).remove(b"key"));
    assert!(!cache.scope(Scope::View(2)).remove(b"key"));
    assert!(cache.scope(Scope::View(1)).peek(b"key").is_some());
    cache.validate().unwrap();
}

#[test]
fn a_pool_keeps_to_its_quota_and_leaves_the_others_alone() {
    let mut cache = open(200_000);
    let quota = 10_001;
    cache.set_quota(Pool::Application, quota);
    for number in 0..200u32 {
        cache.insert(&number.to_le_bytes(), &[1; 100]).unwrap();
    }
    for number in 0..2_000u32 {
        let value = vec![2; number as usize % 301];
        let mut api = cache.scope(Scope::Application);
        if number % 7 == 0 {
            api.get_or_load(&number.to_le_bytes(), value.len(), |_| {})
                .unwrap();
        } else {
            api.insert(&number.to_le_bytes(), &value).unwrap();
        }
        api = cache.scope(Scope::Application);
        assert!(api.peek(&number.to_le_bytes()).is_some());
        assert!(cache.pool_info(Pool::Application).used_bytes <= quota);
        cache.validate().unwrap();
    }
    assert_eq!(held(&cache, Pool::Main), 200);
    let api = cache.pool_info(Pool::Application);
    assert!(api.used_bytes > quota - 500 && api.evictions > 1_000);
    assert_eq!(cache.pool_info(Pool::Main).evictions, 0);
    // Less quota evicts at once; the oldest go.
    let evicted = cache.set_quota(Pool::Application, 2_000);
    assert_eq!(
        cache.pool_info(Pool::Application).evictions,
        api.evictions + evicted as u64
    );
    assert!(cache.pool_info(Pool::Application).used_bytes <= 2_000);
    assert!(
        cache
            .scope(Scope::Application)
            .peek(&1_999u32.to_le_bytes())
            .is_some()
    );
    cache.validate().unwrap();
}

#[test]
fn what_exceeds_the_quota_is_refused_and_changes_nothing() {
    let mut cache = open(50_000);
    cache.set_quota(Pool::Views, 1_000);
    cache
        .scope(Scope::View(7))
        .insert(b"kept", &[1; 500])
        .unwrap();
    let largest = (1_000 - SLACK_BYTES) as usize - block_bytes(3, 0).unwrap() as usize;
    let refused = cache
        .scope(Scope::View(7))
        .insert(b"big", &vec![0; largest + 2]);
    assert!(
        matches!(
            refused,
            Err(InsertError::TooLarge {
                available_bytes: 994,
                ..
            })
        ),
        "{refused:?}"
    );
    assert!(cache.scope(Scope::View(7)).peek(b"kept").is_some());
    cache
        .scope(Scope::View(7))
        .insert(b"big", &vec![0; largest])
        .unwrap();
    assert!(cache.scope(Scope::View(7)).peek(b"kept").is_none());
    cache.set_quota(Pool::Views, 0);
    assert_eq!(held(&cache, Pool::Views), 0);
    assert!(cache.scope(Scope::View(7)).insert(b"", b"").is_err());
    cache.insert(b"main", &[0; 40_000]).unwrap();
    cache.validate().unwrap();
}

/// Quotas may promise more than there is: then the fullest pool gives, once the pool inserted into
/// has nothing left.
#[test]
fn a_pool_without_entries_takes_from_the_fullest() {
    let mut cache = open(30_000);
    for number in 0..1_000u32 {
        cache.insert(&number.to_le_bytes(), &[1; 130]).unwrap();
    }
    let before = held(&cache, Pool::Main);
    cache
        .scope(Scope::Application)
        .insert(b"one", &[2; 130])
        .unwrap();
    assert_eq!(
        (held(&cache, Pool::Main), held(&cache, Pool::Application)),
        (before - 1, 1)
    );
    // From now on the pool replaces its own.
    cache
        .scope(Scope::Application)
        .insert(b"two", &[2; 130])
        .unwrap();
    assert_eq!(
        (held(&cache, Pool::Main), held(&cache, Pool::Application)),
        (before - 1, 1)
    );
    assert!(cache.scope(Scope::Application).peek(b"one").is_none());
    cache.validate().unwrap();
}

#[test]
fn counters_are_kept_for_each_pool_and_a_host_reads_them() {
    let (region, bytes) = region_with_bytes(&Spec::dirty(60_000));
    let mut cache = Cache::new(region);
    cache.set_quota(Pool::Views, 5_000);
    let mut script = Script::new(noise(4), 500).all_pools();
    run(
        &mut cache,
        &mut script,
        if cfg!(miri) { 60 } else { 4_000 },
        Checks::SPARSE,
    )
    .unwrap();
    assert_eq!(cache.scope(Scope::View(9)).get(b"not there"), None);
    let info = RegionInfo::read(&bytes.read(0, HEADER_BYTES as usize)).unwrap();
    assert_eq!(
        info.stats.pools,
        Pool::ALL.map(|pool| cache.pool_info(pool))
    );
    let stats = cache.stats();
    let sum =
        |of: fn(&steadfast::region::PoolInfo) -> u64| info.stats.pools.iter().map(of).sum::<u64>();
    assert_eq!(sum(|pool| pool.misses), stats.misses);
    assert_eq!(sum(|pool| pool.hits), stats.hits);
    assert_eq!(
        sum(|pool| u64::from(pool.entries)),
        u64::from(stats.entries)
    );
    assert_eq!(
        (info.stats.entries, info.stats.used_bytes),
        (stats.entries, stats.used_bytes)
    );
    assert!(info.stats.pools[1].misses > 0);
}

/// Entries written at heights 0 to 9 in every pool.
fn at_ten_heights() -> Cache {
    let mut cache = open(100_000);
    for height in 0..10u32 {
        cache.set_height(height);
        for scope in [Scope::Main, Scope::Application, Scope::View(height)] {
            for number in 0..5 {
                let key = [height as u8, number];
                cache.scope(scope).insert(&key, &[height as u8]).unwrap();
            }
        }
    }
    cache
}

#[test]
fn invalidation_drops_what_was_written_above_a_height() {
    let mut cache = at_ten_heights();
    // A value written over has the height of the later write, whether it kept its block or not.
    cache.insert(&[0, 0], &[99]).unwrap();
    cache.insert(&[1, 1], &[99; 50]).unwrap();
    assert_eq!(cache.invalidate_above(6), 3 * 3 * 5 + 2);
    for height in 0..10u8 {
        let scopes = [
            Scope::Main,
            Scope::Application,
            Scope::View(u32::from(height)),
        ];
        for (scope, number) in scopes
            .iter()
            .flat_map(|scope| (0..5).map(move |n| (*scope, n)))
        {
            let overwritten = scope == Scope::Main && [[0, 0], [1, 1]].contains(&[height, number]);
            let stays = height <= 6 && !overwritten;
            assert_eq!(cache.scope(scope).peek(&[height, number]).is_some(), stays);
        }
    }
    cache.validate().unwrap();
    assert_eq!(cache.invalidate_above(6), 0);
    // One of the two was above 0 before.
    assert_eq!(cache.invalidate_above(0), 6 * 3 * 5 - 1);
    cache.validate().unwrap();
}

/// In steps, with anything else between them: nothing from above the height is ever found again,
/// nothing from below is lost.
#[test]
fn invalidation_in_steps_bears_other_operations_in_between() {
    for steps in [1, 2, 7, 1_000] {
        let mut cache = at_ten_heights();
        let mut noise = noise(steps as u64);
        let mut random = move || noise.next().unwrap();
        cache.set_height(4);
        let mut rounds = 0;
        loop {
            let came = cache.invalidate_above_in_steps(4, steps);
            assert!(came.dropped <= steps);
            if came.done {
                break;
            }
            rounds += 1;
            let key = [random() % 10, random() % 5];
            let scope = [
                Scope::Main,
                Scope::Application,
                Scope::View(u32::from(key[0])),
            ][usize::from(random() % 3)];
            let stays = key[0] <= 4;
            match random() % 4 {
                0 => assert_eq!(cache.scope(scope).get(&key).is_some(), stays),
                1 => assert_eq!(cache.scope(scope).peek(&key).is_some(), stays),
                2 if stays => cache.scope(scope).insert(&key, &[key[0]; 9]).unwrap(),
                2 => assert!(!cache.scope(scope).remove(&key)),
                _ => {
                    let expected = if stays { 3 } else { 0 };
                    let entries = Pool::ALL.map(|pool| {
                        let is_key = |(_, own, _): &(Scope, &[u8], &[u8])| *own == key;
                        cache.entries(pool).filter(is_key).count()
                    });
                    assert_eq!(entries.iter().sum::<usize>(), expected);
                }
            }
            cache.validate().unwrap();
        }
        assert!(rounds >= 100 / steps, "{rounds} rounds of {steps}");
        assert_eq!(cache.len(), 5 * 3 * 5);
        for height in 0..5u8 {
            assert!(
                cache
                    .scope(Scope::View(u32::from(height)))
                    .peek(&[height, 4])
                    .is_some()
            );
        }
    }
}

/// Of what is written meanwhile, only what is above the height is looked at; a lookup counts and
/// promotes as ever.
#[test]
fn an_invalidation_under_way_costs_no_more_than_it_must() {
    let mut cache = open(100_000);
    cache.set_height(1);
    cache.scope(Scope::Application).insert(b"y", b"").unwrap();
    for key in [b"a", b"b"] {
        cache.insert(key, b"").unwrap();
    }
    cache.set_height(9);
    cache.insert(b"m", b"").unwrap();
    let came = cache.invalidate_above_in_steps(3, 3);
    assert_eq!(
        (came.dropped, came.done),
        (1, false),
        "one is left to look at"
    );
    let hits = cache.stats().hits;
    assert!(cache.get(b"a").is_some());
    assert_eq!(cache.stats().hits, hits + 1);
    assert_eq!(cache.iter().next(), Some((&b"a"[..], &b""[..])));
    cache.set_height(3);
    cache.insert(b"k", b"").unwrap();
    let came = cache.invalidate_above_in_steps(3, 1);
    assert_eq!((came.dropped, came.done), (0, true));
}

#[test]
fn an_invalidation_begun_goes_on_at_the_lower_height() {
    let mut cache = at_ten_heights();
    assert!(!cache.invalidate_above_in_steps(3, 4).done);
    assert!(!cache.invalidate_above_in_steps(8, 4).done);
    assert!(!cache.contains(&[5, 0]), "height 5 is above 3");
    assert!(!cache.invalidate_above_in_steps(1, 4).done);
    cache.invalidate_above(8);
    assert_eq!(cache.len(), 2 * 3 * 5);
    // And what is written afterwards stays.
    cache.set_height(9);
    cache.insert(&[9, 9], b"").unwrap();
    assert!(cache.contains(&[9, 9]));
    cache.validate().unwrap();
    // An emptied cache has nothing left to invalidate.
    assert!(!cache.invalidate_above_in_steps(0, 1).done);
    cache.clear();
    cache.insert(&[9, 9], b"").unwrap();
    assert!(cache.contains(&[9, 9]));
}

#[test]
fn eviction_in_steps_goes_on_where_it_stopped() {
    let mut cache = at_ten_heights();
    let used = cache.pool_info(Pool::Application).used_bytes as usize;
    assert_eq!(cache.evict_pool_to(Pool::Application, used / 2, 10), 10);
    assert_eq!(cache.evict_pool_to(Pool::Application, used / 2, 100), 15);
    assert_eq!(cache.evict_pool_to(Pool::Application, used / 2, 100), 0);
    assert!(cache.scope(Scope::Application).peek(&[9, 4]).is_some());
    assert!(cache.scope(Scope::Application).peek(&[0, 0]).is_none());
    assert_eq!(held(&cache, Pool::Main), 50);
}
