//! What an LRU cache must do, in ordinary maps.

use std::collections::BTreeMap;
use steadfast::cache::{Cache, Pool, Scope};
use steadfast::region::ENTRY_HEADER_BYTES;

/// The entries that the cache must hold, and the order in which they were used.
#[derive(Debug, Default)]
pub struct Oracle {
    entries: BTreeMap<Name, Held>,
    /// Names by the time of their last use, for each pool.
    by_time: BTreeMap<Pool, BTreeMap<u64, Name>>,
    /// Names by where the cache has the entry.
    by_offset: BTreeMap<usize, Name>,
    now: u64,
    height: u32,
}

type Name = (Scope, Vec<u8>);

#[derive(Debug)]
struct Held {
    value: Vec<u8>,
    used_at: u64,
    offset: usize,
    height: u32,
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

    /// The number of entries in a pool.
    pub fn len_of(&self, pool: Pool) -> usize {
        self.by_time.get(&pool).map_or(0, BTreeMap::len)
    }

    /// Whether there is an entry with this key.
    pub fn contains(&self, scope: Scope, key: &[u8]) -> bool {
        self.entries.contains_key(&(scope, key.to_vec()))
    }

    /// Sets the height that entries are written at, other than those of views.
    pub fn set_height(&mut self, height: u32) {
        self.height = height;
    }

    /// Stores a value as the newest entry of its pool, as the cache has done.
    pub fn insert(&mut self, cache: &mut Cache, scope: Scope, key: &[u8], value: &[u8]) {
        self.remove(scope, key);
        let offset = offset_of(cache, scope, key);
        self.now += 1;
        let now = self.now;
        let name = (scope, key.to_vec());
        let height = match scope {
            Scope::View(height) => height,
            _ => self.height,
        };
        self.order(scope.pool()).insert(now, name.clone());
        self.by_offset.insert(offset, name.clone());
        let held = Held {
            value: value.to_vec(),
            used_at: now,
            offset,
            height,
        };
        self.entries.insert(name, held);
    }

    /// Makes an entry the newest, if it is there.
    pub fn promote(&mut self, scope: Scope, key: &[u8]) {
        let name = (scope, key.to_vec());
        if let Some(held) = self.entries.get_mut(&name) {
            self.now += 1;
            let before = std::mem::replace(&mut held.used_at, self.now);
            let now = self.now;
            let order = self.order(scope.pool());
            order.remove(&before);
            order.insert(now, name);
        }
    }

    /// Drops an entry, and says whether it was there.
    pub fn remove(&mut self, scope: Scope, key: &[u8]) -> bool {
        let Some(held) = self.entries.remove(&(scope, key.to_vec())) else {
            return false;
        };
        self.order(scope.pool()).remove(&held.used_at);
        self.by_offset.remove(&held.offset);
        true
    }

    /// Drops a pool's oldest entry, and returns its scope and key.
    pub fn remove_oldest(&mut self, pool: Pool) -> Option<(Scope, Vec<u8>)> {
        let (_, name) = self.order(pool).first_key_value()?;
        let name = name.clone();
        self.remove(name.0, &name.1);
        Some(name)
    }

    /// Drops what the cache does not have, and says how many those were.
    pub fn remove_missing(&mut self, cache: &mut Cache) -> u64 {
        let names = self.entries.keys();
        let going = names.filter(|(scope, key)| is_missing(cache, *scope, key));
        let going = going.cloned().collect();
        self.remove_all(going)
    }

    /// Drops what the cache does not have any more of that which stood where this key's block of so
    /// many bytes stands now, and says how many those were.
    pub fn remove_beneath(
        &mut self,
        cache: &mut Cache,
        scope: Scope,
        key: &[u8],
        bytes: usize,
    ) -> u64 {
        let start = offset_of(cache, scope, key);
        let names = self.by_offset.range(start..start + bytes);
        let going = names.filter(|(_, (scope, key))| is_missing(cache, *scope, key));
        let going = going.map(|(_, name)| name.clone()).collect();
        self.remove_all(going)
    }

    /// Drops what was written above a height, and says how many those were.
    pub fn remove_above(&mut self, height: u32) -> u64 {
        let entries = self.entries.iter();
        let going = entries.filter(|(_, held)| held.height > height);
        let going = going.map(|(name, _)| name.clone()).collect();
        self.remove_all(going)
    }

    fn remove_all(&mut self, names: Vec<Name>) -> u64 {
        let gone = names.iter().filter(|(scope, key)| self.remove(*scope, key));
        gone.count() as u64
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.by_time.clear();
        self.by_offset.clear();
    }

    /// Compares the result of a lookup.
    ///
    /// # Errors
    ///
    /// The result is not what it must be.
    pub fn expect(&self, scope: Scope, key: &[u8], got: Option<&[u8]>) -> Result<(), String> {
        let held = self.entries.get(&(scope, key.to_vec()));
        let expected = held.map(|held| held.value.as_slice());
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

    /// Compares all entries of every pool, in order of use.
    ///
    /// # Errors
    ///
    /// The entries or their order differ.
    pub fn compare(&self, cache: &Cache) -> Result<(), String> {
        for pool in Pool::ALL {
            let names = self.by_time.get(&pool).into_iter().flatten();
            let expected = names.rev().map(|(_, name)| {
                let value = self.entries[name].value.as_slice();
                (name.0, name.1.as_slice(), value)
            });
            if !cache.entries(pool).eq(expected) {
                return Err(format!("the entries of {pool:?} or their order differ"));
            }
        }
        Ok(())
    }

    fn order(&mut self, pool: Pool) -> &mut BTreeMap<u64, Name> {
        self.by_time.entry(pool).or_default()
    }
}

fn is_missing(cache: &mut Cache, scope: Scope, key: &[u8]) -> bool {
    cache.scope(scope).peek(key).is_none()
}

/// Where an entry that the cache has begins in its region.
fn offset_of(cache: &mut Cache, scope: Scope, key: &[u8]) -> usize {
    let start = cache.image().as_ptr().addr() + ENTRY_HEADER_BYTES as usize + key.len();
    let value = cache.scope(scope).peek(key);
    value.map_or(0, |value| value.as_ptr().addr() - start)
}
