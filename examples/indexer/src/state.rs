//! Reads and writes of the state: pending writes in front of the cache in front of the host.

use crate::Cache;
use crate::key::Key;
use crate::pending::{Pending, Place};
use alloc::vec::Vec;
use steadfast::cache::HashedKey;

/// The store that the state lies in.
pub trait Host {
    /// The value at `key`; empty when there is none. Costs one heap allocation of its length.
    fn read(&mut self, key: &[u8]) -> Vec<u8>;

    /// Writes all pairs at once; an empty value deletes its key.
    fn flush<'a>(&mut self, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone);
}

/// The state as the block at hand sees it.
pub struct State<'a, H, C> {
    host: &'a mut H,
    cache: &'a mut C,
    pending: Pending,
}

impl<'a, H: Host, C: Cache> State<'a, H, C> {
    /// The state as a block of so many bytes finds it.
    pub fn new(host: &'a mut H, cache: &'a mut C, block_bytes: usize) -> Self {
        Self {
            host,
            cache,
            pending: Pending::for_block(block_bytes),
        }
    }

    /// Deletes the value at `key`, and gives it back; empty when there was none.
    pub fn take(&mut self, key: HashedKey<Key>) -> Vec<u8> {
        match self.pending.place(&key) {
            Place::Written(value) => core::mem::take(value),
            Place::Unwritten(place) => {
                let value = load(self.host, self.cache, &key);
                if !value.is_empty() {
                    place.write(key, Vec::new());
                }
                value
            }
        }
    }

    /// Writes `value` at `key`. Refuses where this block has written it already.
    pub fn create(&mut self, key: HashedKey<Key>, value: Vec<u8>) -> bool {
        match self.pending.place(&key) {
            Place::Written(_) => false,
            Place::Unwritten(place) => {
                place.write(key, value);
                true
            }
        }
    }

    /// Writes `value` at `key`; an empty one deletes.
    pub fn write(&mut self, key: HashedKey<Key>, value: Vec<u8>) {
        match self.pending.place(&key) {
            Place::Written(held) => *held = value,
            Place::Unwritten(place) => place.write(key, value),
        }
    }

    /// Writes at `key` what `change` makes of the value there, which is empty when there is none;
    /// an empty one deletes.
    ///
    /// # Errors
    ///
    /// What `change` refuses. Nothing is written then.
    pub fn update<E>(
        &mut self,
        key: HashedKey<Key>,
        change: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        match self.pending.place(&key) {
            Place::Written(value) => *value = change(value)?,
            Place::Unwritten(place) => {
                let value = load(self.host, self.cache, &key);
                place.write(key, change(&value)?);
            }
        }
        Ok(())
    }

    /// Flushes all writes to the host and brings the cache up to date. Returns how many keys were
    /// written.
    pub fn commit(self) -> usize {
        let pairs = self.pending.iter();
        self.host
            .flush(pairs.clone().map(|(key, value)| (key.bytes(), value)));
        for (key, value) in pairs {
            if value.is_empty() {
                self.cache.remove(key);
            } else {
                self.cache.insert(key, value);
            }
        }
        self.pending.len()
    }
}

/// The stored value at `key`, empty when there is none. The cache has it afterwards if it can.
///
/// Costs one heap allocation of the value's length, the same whether it comes from the cache or from
/// the host.
pub fn load(host: &mut impl Host, cache: &mut impl Cache, key: &HashedKey<Key>) -> Vec<u8> {
    if let Some(value) = cache.get(key) {
        return value.to_vec();
    }
    let value = host.read(key.bytes());
    if !value.is_empty() {
        cache.insert(key, &value);
    }
    value
}
