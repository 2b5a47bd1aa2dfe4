use super::{Bytes, FxBuildHasher};
use crate::{Capacity, Subject};

/// A map that evicts nothing: what a cache over it could not be faster than.
pub struct Bound(hashbrown::HashMap<Bytes, Bytes, FxBuildHasher>);

impl Subject for Bound {
    fn open(_: Capacity) -> Self {
        Bound(hashbrown::HashMap::with_hasher(FxBuildHasher))
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
