//! The cache over the module's region, and over images that nobody has verified.

use std::cell::Cell;

use steadfast::cache::{HashedKey, Pool, Scope, open_cache_with};
use steadfast::region::Region;
use steadfast::{Cache, Policy, open_cache};

use super::{Caller, SMALL};
use crate::random::Random;

fn scope(random: &mut Random) -> Scope {
    let height = random.below(3) as u32;
    random.pick(&[
        Scope::Main,
        Scope::Main,
        Scope::View(height),
        Scope::Application,
    ])
}

/// Whether to walk its index takes Miri minutes.
fn is_slow(cache: &Cache) -> bool {
    cfg!(miri) && cache.max_capacity() > 1 << 20
}

pub fn open(caller: &mut Caller) {
    let mut region = match caller.random.below(3) {
        0 => return caller.caches.extend(open_cache()),
        1 => Region::none(),
        _ => Region::reserved().expect("taken once"),
    };
    let random = &mut caller.random;
    for _ in 0..random.below(3) {
        let announced = random.u32();
        region.load(|memory| {
            let end = memory.len().min(5_000);
            memory[..end].fill(announced as u8);
            announced
        });
    }
    assert!(Region::reserved().is_err() || region.capacity() == 0);
    let cache = match random.chance(2) {
        true => Cache::new(region),
        false => Cache::open(region),
    };
    caller.caches.push(cache);
}

/// In an instance of its own, which has the plan that the images were made with.
pub fn open_over_an_image(caller: &mut Caller) {
    let image = caller.damaged_image();
    let plan = caller.plan();
    let opened = std::thread::spawn(move || {
        steadfast::reserve_with(&plan);
        open_cache_with(|memory| {
            if let Some(place) = memory.get_mut(..image.len()) {
                place.copy_from_slice(&image);
            }
            image.len() as u32
        })
    });
    let opened = opened.join().expect("a heap is there");
    caller.caches.extend(opened);
}

pub fn insert(caller: &mut Caller) {
    caller.with_cache(|random, cache| {
        for _ in 0..random.below(8) {
            let scope = scope(random);
            let _ = cache.scope(scope).insert(&random.key(), &random.value());
        }
    });
}

pub fn look_up(caller: &mut Caller) {
    caller.with_cache(|random, cache| {
        let (scope, key) = (scope(random), random.key());
        match random.below(5) {
            0 => drop(cache.scope(scope).get(&key).map(<[u8]>::to_vec)),
            3 => {
                let keys: Vec<_> = (0..random.below(40)).map(|_| random.key()).collect();
                let fails_at = random.chance(4).then_some(keys.len() / 2);
                cache.scope(scope).get_many(&keys, |number, value| {
                    assert_ne!(Some(number), fails_at);
                    drop(value.map(<[u8]>::to_vec));
                });
            }
            1 => drop(cache.scope(scope).peek(&key).map(<[u8]>::to_vec)),
            2 => assert_eq!(cache.contains(&key), cache.peek(&key).is_some()),
            _ => drop(cache.get(&key).map(<[u8]>::to_vec)),
        }
    });
}

/// A key that gives other bytes each time it is asked.
struct Fickle {
    keys: Vec<Vec<u8>>,
    asked: Cell<usize>,
}

impl AsRef<[u8]> for Fickle {
    fn as_ref(&self) -> &[u8] {
        self.asked.set(self.asked.get() + 1);
        &self.keys[self.asked.get() % self.keys.len()]
    }
}

/// Looks up, stores and removes by a key with the hash of another one.
pub fn misname(caller: &mut Caller) {
    caller.with_cache(|random, cache| {
        let key = HashedKey::new(Fickle {
            keys: (0..3).map(|_| random.key()).collect(),
            asked: Cell::new(0),
        });
        for _ in 0..random.below(8) {
            let scoped = cache.scope(scope(random));
            match random.below(4) {
                0 => drop(scoped.get_hashed(&key).map(<[u8]>::to_vec)),
                1 => drop(scoped.get_or_fetch_hashed(&key, || random.value())),
                2 => drop(scoped.remove_hashed(&key)),
                _ => drop(scoped.insert_hashed(&key, &random.value())),
            }
        }
        (key.hash(), key.bytes().len())
    });
}

pub fn load(caller: &mut Caller) {
    caller.with_cache(|random, cache| {
        let (scope, key) = (scope(random), random.key());
        let fails = random.chance(4);
        if random.chance(2) {
            let value = random.value();
            cache.scope(scope).get_or_fetch(&key, || {
                assert!(!fails);
                value
            });
        } else {
            // Not what a large region has room for: that is written.
            let len = match random.chance(4) {
                true => usize::MAX - (random.size() >> (34 + random.below(30))),
                false => random.below(20_000) as usize,
            };
            let _ = cache.scope(scope).get_or_load(&key, len, |place| {
                assert_eq!(place.len(), len);
                assert!(!fails);
                place.fill(3);
            });
        }
    });
}

pub fn remove(caller: &mut Caller) {
    caller.with_cache(|random, cache| {
        let scope = scope(random);
        cache.scope(scope).remove(&random.key());
        if random.chance(10) {
            cache.clear();
        }
    });
}

pub fn bound(caller: &mut Caller) {
    caller.with_cache(|random, cache| {
        let pool = random.pick(&Pool::ALL);
        match random.below(3) {
            0 => cache.set_quota(pool, random.u32()),
            1 => cache.evict_to(random.size()),
            _ => cache.evict_pool_to(pool, random.size(), random.size()),
        };
    });
}

pub fn heights(caller: &mut Caller) {
    caller.with_cache(|random, cache| {
        match random.below(3) {
            0 => cache.set_height(random.below(10) as u32),
            1 => drop(cache.invalidate_above(random.below(10) as u32)),
            _ => drop(cache.invalidate_above_in_steps(random.u32(), random.below(4) as usize)),
        }
        cache.height()
    });
}

pub fn walk(caller: &mut Caller) {
    caller.with_cache(|random, cache| {
        let pool = random.pick(&Pool::ALL);
        let bytes: usize = cache
            .entries(pool)
            .map(|(_, key, value)| key.len() + value.len())
            .sum();
        let entries = cache.iter().count();
        let _ = (bytes, entries, cache.stats(), cache.pool_info(pool));
        let _ = (cache.capacity(), cache.max_capacity(), cache.used_bytes());
        let _ = (
            cache.len(),
            cache.is_empty(),
            cache.is_enabled(),
            cache.is_read_only(),
        );
        let _ = (cache.user_tag(), cache.start().to_string());
        if !is_slow(cache) {
            let _ = cache.validate();
        }
    });
}

pub fn image(caller: &mut Caller) {
    let image = caller.with_cache(|random, cache| {
        let tag = [random.next() as u8; 40];
        if random.chance(2) {
            cache.set_user_tag(&tag);
        }
        let image = cache.image();
        (1..2 << 20).contains(&image.len()).then(|| image.to_vec())
    });
    caller.images.extend(image.flatten());
}

pub fn end(caller: &mut Caller) {
    if caller.caches.is_empty() || !caller.random.chance(3) {
        return;
    }
    let number = caller.random.below(caller.caches.len() as u64) as usize;
    let cache = caller.caches.swap_remove(number);
    if caller.random.chance(2) && !is_slow(&cache) {
        cache.close();
    }
}

/// A cache goes to another thread and comes back, or comes from one that has ended.
pub fn on_another_thread(caller: &mut Caller) {
    let step = steadfast::Bytes::kib(64);
    let plan = SMALL.with_policy(Policy::OnDemand { step });
    let seed = caller.random.next();
    let brought = caller.caches.pop();
    let thread = std::thread::spawn(move || {
        let mut random = Random::new(seed);
        steadfast::reserve_with(&plan);
        let mut caches: Vec<Cache> = brought.into_iter().collect();
        caches.extend(open_cache());
        for cache in &mut caches {
            for _ in 0..10 {
                let _ = cache.insert(&random.key(), &random.value());
            }
        }
        caches
    });
    caller
        .caches
        .extend(thread.join().expect("it does not panic"));
}
