use super::{Bytes, FxBuildHasher};
use crate::{Capacity, Subject};
use hashlink::LruCache;

/// The crate `hashlink`, bounded by entries.
pub struct Hashlink(LruCache<Bytes, Bytes, FxBuildHasher>);

impl Subject for Hashlink {
    fn open(capacity: Capacity) -> Self {
        Hashlink(LruCache::with_hasher(capacity.entries, FxBuildHasher))
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
