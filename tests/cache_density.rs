//! What the cache promises about density and eviction, held to its own counters.
#![cfg(not(miri))]

use steadfast::cache::Cache;
use steadfast::region::block_bytes;
use steadfast_testkit::cache::{Mix, Spec, noise, region};

const CAPACITY: u32 = 4 << 20;

fn cache(capacity: u32, expected_entry: u32) -> Cache {
    Cache::new(region(&Spec {
        expected_entry,
        ..Spec::fresh(capacity)
    }))
}

/// Bytes of keys and values.
fn payload(cache: &Cache) -> usize {
    cache
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum()
}

/// Inserts the mix into a full cache in turns; after each, the share of the region that is keys and
/// values.
fn densities(cache: &mut Cache, mix: &mut Mix, turns: usize, inserts: usize) -> Vec<f64> {
    (0..turns)
        .map(|_| {
            (0..inserts).for_each(|_| {
                mix.step(cache);
            });
            cache.validate().expect("the cache is sound");
            payload(cache) as f64 / cache.capacity() as f64
        })
        .collect()
}

#[test]
fn a_steady_mixed_load_keeps_its_density() {
    let mut cache = cache(64 << 20, 137);
    let mut mix = Mix::new(5);
    // Five times what fits, before it counts.
    let first = densities(&mut cache, &mut mix, 1, 2_000_000)[0];
    assert!(first >= 0.80, "density {first}");
    for later in densities(&mut cache, &mut mix, 4, 500_000) {
        assert!(later >= 0.80, "density {later}");
        assert!(later >= first - 0.01, "density {later}, it was {first}");
    }
}

#[test]
fn a_mixed_load_evicts_little_more_than_it_inserts() {
    let mut cache = cache(CAPACITY, 137);
    let mut mix = Mix::new(6);
    densities(&mut cache, &mut mix, 1, 100_000);
    let held = payload(&cache);
    let inserted: usize = (0..200_000).map(|_| mix.step(&mut cache)).sum();
    let evicted = held + inserted - payload(&cache);
    let ratio = evicted as f64 / inserted as f64;
    assert!(ratio <= 1.15, "{ratio} bytes evicted for each inserted");
    let stats = cache.stats();
    let windows = stats.window_evictions as f64 / stats.inserts as f64;
    println!(
        "{ratio:.4} bytes evicted for each inserted, {windows:.4} window evictions for each insert"
    );
    assert!(windows <= 0.1, "{windows} window evictions for each insert");
}

/// Sizes that differ by a few bytes are what leaves holes that are a little too small for any
/// entry.
#[test]
fn entries_of_nearly_one_size_leave_few_holes() {
    let mut cache = cache(CAPACITY, 76);
    let mut random = noise(9);
    let mut draw = || u32::from_le_bytes(core::array::from_fn(|_| random.next().unwrap_or(0)));
    let key = |number: u32| [&[b'k'; 42][..], &number.to_le_bytes()].concat();
    for number in 0..150_000 {
        let len = [26, 28, 30, 38][draw() as usize % 4];
        cache.insert(&key(number), &vec![7; len]).unwrap();
        // One of those that are held, so that entries do not go in the order in which they came.
        cache.get(&key(number - draw() % number.clamp(1, 30_000)));
    }
    cache.validate().unwrap();
    let stats = cache.stats();
    let free = f64::from(stats.free_bytes) / f64::from(CAPACITY);
    let windows = stats.window_evictions as f64 / stats.inserts as f64;
    println!("{free:.4} of the region lies free, {windows:.4} window evictions for each insert");
    assert!(free <= 0.06, "{free} of the region lies free");
    assert!(windows <= 0.2, "{windows} window evictions for each insert");
}

#[test]
fn a_large_value_does_not_empty_a_cache_of_small_ones() {
    let mut cache = cache(CAPACITY, 100);
    for number in 0..100_000u32 {
        let key = [&[b'k'; 36][..], &number.to_le_bytes()].concat();
        cache.insert(&key, &[7; 60]).unwrap();
    }
    let large = 1 << 20;
    let held = cache.used_bytes();
    cache.insert(b"large", &vec![1; large]).unwrap();
    let block = block_bytes(5, large).unwrap() as usize;
    let evicted = held + block - cache.used_bytes();
    assert!(
        evicted <= 3 * large,
        "{evicted} bytes evicted for {large}: {:?}",
        cache.stats()
    );
    cache.validate().unwrap();
}
