use super::{Bytes, FxBuildHasher, weight};
use crate::{Capacity, Subject};
use mini_moka::unsync::{Cache, CacheBuilder};

/// The crate `mini-moka` for one thread (not LRU: TinyLFU admits), bounded by bytes of keys and values.
pub struct MiniMoka {
    cache: Cache<Vec<u8>, Bytes, FxBuildHasher>,
    /// It looks up by a reference to a key, and this saves making one each time.
    sought: Vec<u8>,
}

impl Subject for MiniMoka {
    fn open(capacity: Capacity) -> Self {
        let builder = CacheBuilder::new(capacity.bytes as u64);
        let builder = builder.weigher(|key: &Vec<u8>, value: &Bytes| weight(key, value) as u32);
        MiniMoka {
            cache: builder.build_with_hasher(FxBuildHasher),
            sought: Vec::new(),
        }
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.sought.clear();
        self.sought.extend_from_slice(key);
        let value = self.cache.get(&self.sought);
        value.map(|value| found(value)).is_some()
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        self.cache.insert(key.to_vec(), value.into());
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        self.sought.clear();
        self.sought.extend_from_slice(key);
        self.cache.invalidate(&self.sought);
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        self.cache.iter().for_each(|(key, value)| entry(key, value));
    }
}
