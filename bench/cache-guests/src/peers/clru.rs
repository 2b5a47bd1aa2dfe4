use super::{Bytes, FxBuildHasher, at_least_one, weight};
use crate::{Capacity, Subject};
use clru::{CLruCache, CLruCacheConfig, WeightScale};

/// The crate `clru`, bounded by bytes of keys and values.
pub struct Clru(CLruCache<Bytes, Bytes, FxBuildHasher, Scale>);

struct Scale;

impl WeightScale<Bytes, Bytes> for Scale {
    fn weight(&self, key: &Bytes, value: &Bytes) -> usize {
        // The cache counts one for each entry besides.
        weight(key, value) - 1
    }
}

impl Subject for Clru {
    fn open(capacity: Capacity) -> Self {
        let config = CLruCacheConfig::new(at_least_one(capacity.bytes));
        Clru(CLruCache::with_config(
            config.with_hasher(FxBuildHasher).with_scale(Scale),
        ))
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.0.get(key).map(|value| found(value)).is_some()
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        // What cannot fit is missed later.
        let _ = self.0.put_with_weight(key.into(), value.into());
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        self.0.pop(key);
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        self.0.iter().for_each(|(key, value)| entry(key, value));
    }
}
