use std::sync::Arc;

use crate::{Capacity, Subject};
use lru_mem::{HeapSize, LruCache};

/// The crate `lru-mem` as metashrew's guest cache uses it: a vector behind a counted reference for every key, stored
/// or looked up, and for every value, which is handed out by another reference.
pub struct Metashrew(LruCache<Shared, Shared>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Shared(Arc<Vec<u8>>);

impl Shared {
    fn new(bytes: &[u8]) -> Self {
        Shared(Arc::new(bytes.to_vec()))
    }
}

impl HeapSize for Shared {
    fn heap_size(&self) -> usize {
        // The vector's own fields stand behind two counters.
        size_of::<Vec<u8>>() + 2 * size_of::<usize>() + self.0.capacity()
    }
}

impl Subject for Metashrew {
    fn open(capacity: Capacity) -> Self {
        Metashrew(LruCache::new(capacity.bytes))
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        let value = self.0.get(&Shared::new(key)).cloned();
        value.map(|value| found(&value.0)).is_some()
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        // What cannot fit is missed later.
        let _ = self.0.insert(Shared::new(key), Shared::new(value));
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        self.0.remove(&Shared::new(key));
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        self.0
            .iter()
            .for_each(|(key, value)| entry(&key.0, &value.0));
    }
}
