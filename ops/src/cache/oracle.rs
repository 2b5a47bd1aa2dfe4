//! What an LRU cache must do, in ordinary maps.

use std::collections::BTreeMap;
use steadfast::cache::Cache;

/// The entries that the cache must hold, and the order in which they were used.
#[derive(Debug, Default)]
pub struct Oracle {
    entries: BTreeMap<Vec<u8>, Held>,
    /// Keys by the time of their last use.
    by_time: BTreeMap<u64, Vec<u8>>,
    now: u64,
}

#[derive(Debug)]
struct Held {
    value: Vec<u8>,
    used_at: u64,
}

impl Oracle {
    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there is an entry with this key.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.entries.contains_key(key)
    }

    /// Stores a value as the newest entry.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) {
        self.remove(key);
        self.now += 1;
        self.entries.insert(
            key.to_vec(),
            Held {
                value: value.to_vec(),
                used_at: self.now,
            },
        );
        self.by_time.insert(self.now, key.to_vec());
    }

    /// Makes an entry the newest, if it is there.
    pub fn promote(&mut self, key: &[u8]) {
        if let Some(held) = self.entries.get_mut(key) {
            self.by_time.remove(&held.used_at);
            self.now += 1;
            held.used_at = self.now;
            self.by_time.insert(self.now, key.to_vec());
        }
    }

    /// Drops an entry, and says whether it was there.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        let held = self.entries.remove(key);
        held.map(|held| self.by_time.remove(&held.used_at))
            .is_some()
    }

    /// Drops the oldest entry, and returns its key.
    pub fn remove_oldest(&mut self) -> Option<Vec<u8>> {
        let (_, key) = self.by_time.pop_first()?;
        self.entries.remove(&key);
        Some(key)
    }

    /// Drops what the cache does not have, and says how many those were.
    pub fn remove_missing(&mut self, cache: &Cache) -> u64 {
        let missing: Vec<_> = self
            .entries
            .keys()
            .filter(|key| !cache.contains(key))
            .cloned()
            .collect();
        missing.iter().filter(|key| self.remove(key)).count() as u64
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.by_time.clear();
    }

    /// Compares the result of a lookup.
    ///
    /// # Errors
    ///
    /// The result is not what it must be.
    pub fn expect(&self, key: &[u8], got: Option<&[u8]>) -> Result<(), String> {
        let expected = self.entries.get(key).map(|held| held.value.as_slice());
        if got == expected {
            return Ok(());
        }
        let describe = |value: Option<&[u8]>| {
            value.map_or("nothing".into(), |value| format!("{} bytes", value.len()))
        };
        Err(format!(
            "found {}, expected {}",
            describe(got),
            describe(expected)
        ))
    }

    /// Compares all entries, in order of use.
    ///
    /// # Errors
    ///
    /// The entries or their order differ.
    pub fn compare(&self, cache: &Cache) -> Result<(), String> {
        let expected = self
            .by_time
            .values()
            .rev()
            .map(|key| (key.as_slice(), self.entries[key].value.as_slice()));
        if cache.iter().eq(expected) {
            Ok(())
        } else {
            Err("the entries or their order differ".into())
        }
    }
}
