//! The cache of the crate.

use crate::{Capacity, Subject};
use steadfast::cache::Cache;

impl Subject for Cache {
    /// The region's size is the plan's, or the host's.
    fn open(_: Capacity) -> Self {
        steadfast::open_cache().expect("opened once")
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.get(key).map(found).is_some()
    }

    #[inline(always)]
    fn get_many(&mut self, keys: &[&[u8]], mut found: impl FnMut(usize, &[u8])) {
        Cache::get_many(self, keys, |at, value| {
            if let Some(value) = value {
                found(at, value);
            }
        });
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        // What cannot fit is missed later: the host counts that.
        let _ = Cache::insert(self, key, value);
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        Cache::remove(self, key);
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        self.validate().expect("the cache is sound");
        self.iter().for_each(|(key, value)| entry(key, value));
    }
}
