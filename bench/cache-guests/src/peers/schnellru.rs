use super::{Bytes, FxBuildHasher};
use crate::{Capacity, Subject};
use schnellru::{ByLength, LruMap};

/// The crate `schnellru`, bounded by entries.
pub struct Schnellru(LruMap<Bytes, Bytes, ByLength, FxBuildHasher>);

/// A key that is looked up, which compares to a boxed one.
#[derive(Hash)]
struct Sought<'a>(&'a [u8]);

impl PartialEq<Bytes> for Sought<'_> {
    #[inline(always)]
    fn eq(&self, key: &Bytes) -> bool {
        *self.0 == **key
    }
}

impl Subject for Schnellru {
    fn open(capacity: Capacity) -> Self {
        let entries = ByLength::new(capacity.entries as u32);
        Schnellru(LruMap::with_hasher(entries, FxBuildHasher))
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.0.get(&Sought(key)).map(|value| found(value)).is_some()
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        self.0.insert(key.into(), value.into());
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        self.0.remove(&Sought(key));
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        self.0.iter().for_each(|(key, value)| entry(key, value));
    }
}
