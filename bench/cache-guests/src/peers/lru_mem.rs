use super::Bytes;
use crate::{Capacity, Subject};
use lru_mem::LruCache;

/// The crate `lru-mem` with its own hasher, bounded by what it counts as an entry's memory.
pub struct LruMem(LruCache<Bytes, Bytes>);

impl Subject for LruMem {
    fn open(capacity: Capacity) -> Self {
        LruMem(LruCache::new(capacity.bytes))
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.0.get(key).map(|value| found(value)).is_some()
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        // What cannot fit is missed later.
        let _ = self.0.insert(key.into(), value.into());
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        self.0.iter().for_each(|(key, value)| entry(key, value));
    }
}
