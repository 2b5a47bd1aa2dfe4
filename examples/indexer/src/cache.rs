//! The seam to the cache.

/// A cache of stored values, which may forget any of them at any time.
///
/// It must not touch the program's heap, if heap addresses are to be the same with and without it.
pub trait Cache {
    /// The value at `key`, if the cache holds it.
    fn get(&mut self, key: &[u8]) -> Option<&[u8]>;

    /// Afterwards the cache holds `value` at `key`, or nothing at `key`; never an older value.
    fn insert(&mut self, key: &[u8], value: &[u8]);

    /// Afterwards the cache holds nothing at `key`.
    fn remove(&mut self, key: &[u8]);
}

impl Cache for steadfast::cache::Cache {
    fn get(&mut self, key: &[u8]) -> Option<&[u8]> {
        self.get(key)
    }

    fn insert(&mut self, key: &[u8], value: &[u8]) {
        // A value that finds no room is fetched again next time; an older one must not stay in its
        // place.
        if self.insert(key, value).is_err() {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &[u8]) {
        self.remove(key);
    }
}

/// The cache that holds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

impl Cache for NoCache {
    fn get(&mut self, _key: &[u8]) -> Option<&[u8]> {
        None
    }

    fn insert(&mut self, _key: &[u8], _value: &[u8]) {}

    fn remove(&mut self, _key: &[u8]) {}
}
