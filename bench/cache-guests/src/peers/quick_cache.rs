use super::{Bytes, FxBuildHasher, weight};
use crate::{Capacity, Subject};
use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};

/// The crate `quick_cache` for one thread (not LRU: S3-FIFO), bounded by bytes of keys and values.
pub struct QuickCache(Cache<Bytes, Bytes, Weight, FxBuildHasher>);

#[derive(Clone)]
struct Weight;

impl Weighter<Bytes, Bytes> for Weight {
    fn weight(&self, key: &Bytes, value: &Bytes) -> u64 {
        weight(key, value) as u64
    }
}

impl Subject for QuickCache {
    fn open(capacity: Capacity) -> Self {
        QuickCache(Cache::with(
            capacity.entries,
            capacity.bytes as u64,
            Weight,
            FxBuildHasher,
            DefaultLifecycle::default(),
        ))
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.0.get(key).map(|value| found(value)).is_some()
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.into(), value.into());
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        self.0.iter().for_each(|(key, value)| entry(key, value));
    }
}
