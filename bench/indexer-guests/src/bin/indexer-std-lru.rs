//! The indexer on std's allocator, with a cache of `lru` over `hashbrown` that may take as many
//! bytes.
#![cfg_attr(target_family = "wasm", no_main)]

use std::cell::RefCell;

use indexer::{Cache, Key};
use lru::LruCache;
use steadfast::Plan;
use steadfast::cache::HashedKey;
use steadfast::instance_info;

/// What an entry takes besides its key's and value's bytes: a node, a slot in the table, and three
/// blocks' headers and rounding.
const ENTRY_BYTES: usize = 64;

struct StdCache {
    entries: LruCache<Box<[u8]>, Box<[u8]>>,
    used_bytes: usize,
    capacity_bytes: usize,
}

fn entry_bytes(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + ENTRY_BYTES
}

impl StdCache {
    /// As large as a region may be at most, or as the host limits it.
    fn open() -> Self {
        let limit = instance_info::current().cache_limit as usize;
        StdCache {
            entries: LruCache::unbounded(),
            used_bytes: 0,
            capacity_bytes: limit.min(Plan::DEFAULT.region_max().get() as usize),
        }
    }
}

impl Cache for StdCache {
    fn get(&mut self, key: &HashedKey<Key>) -> Option<&[u8]> {
        self.entries.get(key.bytes()).map(|value| &**value)
    }

    fn insert(&mut self, hashed: &HashedKey<Key>, value: &[u8]) {
        let key = hashed.bytes();
        if entry_bytes(key, value) > self.capacity_bytes {
            return self.remove(hashed);
        }
        match self.entries.get_mut(key) {
            Some(held) if held.len() == value.len() => held.copy_from_slice(value),
            Some(held) => {
                self.used_bytes = self.used_bytes - held.len() + value.len();
                *held = value.into();
            }
            None => {
                self.used_bytes += entry_bytes(key, value);
                self.entries.put(key.into(), value.into());
            }
        }
        while self.used_bytes > self.capacity_bytes {
            let Some((key, value)) = self.entries.pop_lru() else {
                break;
            };
            self.used_bytes -= entry_bytes(&key, &value);
        }
    }

    fn remove(&mut self, key: &HashedKey<Key>) {
        let key = key.bytes();
        if let Some(value) = self.entries.pop(key) {
            self.used_bytes -= entry_bytes(key, &value);
        }
    }
}

thread_local! {
    static CACHE: RefCell<StdCache> = RefCell::new(StdCache::open());
}

#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
extern "C" fn _start() {
    CACHE.with_borrow_mut(bench_indexer_guests::index);
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    _start();
}
