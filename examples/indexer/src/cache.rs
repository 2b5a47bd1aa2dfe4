//! The seam to the cache.

use crate::key::Key;
use steadfast::cache::{HashedKey, Scope};

/// A cache of stored values, which may forget any of them at any time.
///
/// It must not touch the program's heap, if heap addresses are to be the same with and without it.
pub trait Cache {
    /// The value at `key`, if the cache holds it.
    fn get(&mut self, key: &HashedKey<Key>) -> Option<&[u8]>;

    /// Afterwards the cache holds `value` at `key`, or nothing at `key`; never an older value.
    fn insert(&mut self, key: &HashedKey<Key>, value: &[u8]);

    /// Afterwards the cache holds nothing at `key`.
    fn remove(&mut self, key: &HashedKey<Key>);
}

impl Cache for steadfast::cache::Cache {
    fn get(&mut self, key: &HashedKey<Key>) -> Option<&[u8]> {
        self.scope(Scope::Main).get_hashed(key)
    }

    fn insert(&mut self, key: &HashedKey<Key>, value: &[u8]) {
        // A value that finds no room is fetched again next time.
        let _ = self.scope(Scope::Main).insert_hashed(key, value);
    }

    fn remove(&mut self, key: &HashedKey<Key>) {
        self.scope(Scope::Main).remove_hashed(key);
    }
}

/// The cache that holds nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCache;

impl Cache for NoCache {
    fn get(&mut self, _key: &HashedKey<Key>) -> Option<&[u8]> {
        None
    }

    fn insert(&mut self, _key: &HashedKey<Key>, _value: &[u8]) {}

    fn remove(&mut self, _key: &HashedKey<Key>) {}
}
