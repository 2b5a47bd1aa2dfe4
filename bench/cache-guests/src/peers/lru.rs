use super::{Bytes, FxBuildHasher, at_least_one};
use crate::{Capacity, Subject};
use lru::LruCache;

/// The crate `lru`, bounded by entries.
pub struct Lru(LruCache<Bytes, Bytes, FxBuildHasher>);

impl Subject for Lru {
    fn open(capacity: Capacity) -> Self {
        Lru(LruCache::with_hasher(
            at_least_one(capacity.entries),
            FxBuildHasher,
        ))
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.0.get(key).map(|value| found(value)).is_some()
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        self.0.put(key.into(), value.into());
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        self.0.pop(key);
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        self.0.iter().for_each(|(key, value)| entry(key, value));
    }
}
