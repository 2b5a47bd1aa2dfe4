//! Reads and writes of the state: pending writes in front of the cache in front of the host.

use crate::Cache;
use crate::key::Key;
use crate::pending::Pending;
use alloc::vec::Vec;

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
    pub fn new(host: &'a mut H, cache: &'a mut C) -> Self {
        Self {
            host,
            cache,
            pending: Pending::default(),
        }
    }

    /// The value at `key`, empty when there is none.
    ///
    /// Costs one heap allocation of the value's length, the same whether it comes from the cache or
    /// from the host.
    pub fn read(&mut self, key: &Key) -> Vec<u8> {
        if let Some(value) = self.pending.get(key) {
            return value.to_vec();
        }
        if let Some(value) = self.cache.get(key.bytes()) {
            return value.to_vec();
        }
        self.load(key)
    }

    fn load(&mut self, key: &Key) -> Vec<u8> {
        let value = self.host.read(key.bytes());
        if !value.is_empty() {
            self.cache.insert(key.bytes(), &value);
        }
        value
    }

    /// Whether this block already writes `key`.
    pub fn is_written(&self, key: &Key) -> bool {
        self.pending.get(key).is_some()
    }

    /// Writes `value` at `key`; an empty one deletes.
    pub fn write(&mut self, key: Key, value: Vec<u8>) {
        self.pending.set(key, value);
    }

    /// Flushes all writes to the host and brings the cache up to date. Returns how many keys were
    /// written.
    pub fn commit(self) -> usize {
        self.host.flush(self.pending.iter());
        for (key, value) in self.pending.iter() {
            if value.is_empty() {
                self.cache.remove(key);
            } else {
                self.cache.insert(key, value);
            }
        }
        self.pending.len()
    }
}
