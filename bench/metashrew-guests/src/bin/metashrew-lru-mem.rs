//! A `get` over lru-mem as metashrew used it, on std's allocator: `Arc`s for keys and values, in
//! front of the cache a map of the values read in the block at hand, a lock around the cache and
//! one around its statistics.
#![cfg_attr(target_family = "wasm", no_main)]

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use bench_metashrew_guests::Bytes;
use lru_mem::{HeapSize, LruCache};
use steadfast::metashrew::host_interface;

const LIMIT_BYTES: usize = 1 << 30;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Shared(Bytes);

impl HeapSize for Shared {
    fn heap_size(&self) -> usize {
        size_of::<Bytes>() + size_of::<Vec<u8>>() + self.0.len()
    }
}

#[derive(Default)]
struct Stats {
    hits: u64,
    misses: u64,
    items: usize,
    memory_usage: usize,
}

static CACHE: RwLock<Option<LruCache<Shared, Shared>>> = RwLock::new(None);
thread_local! {
    /// What has been read in the block at hand.
    static READ: RefCell<HashMap<Bytes, Bytes>> = RefCell::default();
}

static STATS: RwLock<Stats> = RwLock::new(Stats {
    hits: 0,
    misses: 0,
    items: 0,
    memory_usage: 0,
});

fn set(key: Bytes, value: Bytes) {
    let mut cache = CACHE.write().unwrap_or_else(PoisonError::into_inner);
    let cache = cache.get_or_insert_with(|| LruCache::new(LIMIT_BYTES));
    // A value that exceeds the limit is not kept.
    let _ = cache.insert(Shared(key), Shared(value));
    let mut stats = STATS.write().unwrap_or_else(PoisonError::into_inner);
    (stats.items, stats.memory_usage) = (cache.len(), cache.current_size());
}

fn look_up(key: &Bytes) -> Option<Bytes> {
    let mut cache = CACHE.write().unwrap_or_else(PoisonError::into_inner);
    let cache = cache.as_mut()?;
    let value = cache.get(&Shared(key.clone())).cloned();
    let mut stats = STATS.write().unwrap_or_else(PoisonError::into_inner);
    if value.is_some() {
        stats.hits += 1;
    } else {
        stats.misses += 1;
    }
    (stats.items, stats.memory_usage) = (cache.len(), cache.current_size());
    value.map(|value| value.0)
}

fn get(key: Bytes) -> Bytes {
    READ.with_borrow_mut(|read| {
        if read.contains_key(&key) {
            return read[&key].clone();
        }
        let value = look_up(&key).unwrap_or_else(|| load(&key));
        read.insert(key, value.clone());
        value
    })
}

fn load(key: &Bytes) -> Bytes {
    let value = Arc::new(host_interface::read(key));
    set(key.clone(), value.clone());
    value
}

bench_metashrew_guests::subject!(set, get);
