//! A byte-bounded LRU cache that lives wholly inside a [`Region`].
//!
//! Keys and values are byte strings. Nothing is allocated on the heap by any operation, so that the heap looks the same
//! on a hit, on a miss, and with no cache at all. Every operation does bounded work whatever the keys are.

#![forbid(unsafe_code)]

mod error;
mod evict;
mod hash;
mod index;
mod iter;
mod open;
mod recency;
mod space;
mod stats;
mod store;
mod tags;
mod validate;
mod words;

pub use error::InsertError;
pub use iter::Iter;
pub use open::open_cache;
pub use stats::Stats;
pub use validate::CacheFault;

use crate::region::{Region, USER_TAG_BYTES};
use store::Store;

/// A cache of byte strings, least recently used first out, in at most the bytes of its region.
///
/// An entry takes its key, its value, 20 bytes of header and one of rounding, at most 7; the index takes 64 bytes for each
/// 10.5 entries of the plan's expected size. All of that, and the header, is inside the region.
///
/// With no region, or one that cannot hold an entry, every lookup misses and every insert is refused with
/// [`InsertError::Disabled`].
///
/// ```
/// use steadfast::{cache::{Cache, InsertError}, region::Region};
///
/// let mut cache = Cache::new(Region::none());
/// assert!(matches!(cache.insert(b"key", b"value"), Err(InsertError::Disabled)));
/// assert_eq!(cache.get(b"key"), None);
/// ```
#[derive(Debug)]
pub struct Cache {
    store: Option<Store>,
}

impl Cache {
    /// An empty cache over a region. Writes the region's header and nothing else, at a cost that does not depend on the
    /// region's size or on what it holds.
    #[must_use]
    pub fn new(region: Region) -> Cache {
        Cache {
            store: region.format(hash::NAME).ok().map(Store::new),
        }
    }

    /// Whether there is a region that can hold entries.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.store.is_some()
    }

    /// The value of a key, in place, and makes it the newest entry. Counts a hit or a miss.
    ///
    /// Constant cost plus the key's bytes. Whether a key is found depends on the memory that the host grants: a program
    /// whose outputs must not depend on it recomputes or fetches what it misses.
    pub fn get(&mut self, key: &[u8]) -> Option<&[u8]> {
        let store = self.store.as_mut()?;
        let found = store.look_up(key)?;
        store.value(found)
    }

    /// The value of a key, in place, without promotion or counting.
    #[must_use]
    pub fn peek(&self, key: &[u8]) -> Option<&[u8]> {
        let store = self.store.as_ref()?;
        store.value(store.find(key, hash::hash(key))?.get())
    }

    /// Whether there is an entry with this key. No promotion, no counting.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// Stores a value under a key, in place of any that it has, as the newest entry. Evicts what it must.
    ///
    /// Cost: constant, plus the bytes of key and value, plus one eviction for each smallest entry's worth of them.
    ///
    /// # Errors
    ///
    /// The entry cannot fit, however much is evicted; see [`InsertError`]. The cache is then as it was.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), InsertError> {
        let store = self.store.as_mut().ok_or(InsertError::Disabled)?;
        store.insert(key, value)
    }

    /// The value of a key; on a miss, `load` writes a value of `len` bytes straight into the region.
    ///
    /// `load` is given `len` zero bytes, so that what it leaves unwritten does not depend on earlier contents. If it
    /// unwinds, no entry is made. On a hit the value's own length counts, not `len`. Counts a hit or a miss; cost as
    /// [`get`](Self::get) or [`insert`](Self::insert).
    ///
    /// # Errors
    ///
    /// The entry is not there and cannot fit; `load` has not been called, and the cache is as it was.
    pub fn get_or_load(
        &mut self,
        key: &[u8],
        len: usize,
        load: impl FnOnce(&mut [u8]),
    ) -> Result<&[u8], InsertError> {
        let store = self.store.as_mut().ok_or(InsertError::Disabled)?;
        let found = match store.look_up(key) {
            Some(found) => found,
            None => store.load(key, len, load)?,
        };
        store.value(found).ok_or(InsertError::Damaged)
    }

    /// Drops the entry with this key. Says whether there was one. Constant cost plus the key's bytes.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.store.as_mut().is_some_and(|store| store.remove(key))
    }

    /// Drops all entries, at constant cost. Counters keep counting.
    pub fn clear(&mut self) {
        if let Some(store) = &mut self.store {
            store.region.empty();
        }
    }

    /// Evicts the oldest entries until the blocks of those left take at most `bytes`. Returns how many it evicted, and
    /// takes time in proportion to that.
    pub fn evict_to(&mut self, bytes: usize) -> usize {
        self.store.as_mut().map_or(0, |store| store.evict_to(bytes))
    }

    /// The entries as (key, value), newest first.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.store.as_ref())
    }

    /// Counters and sizes. They depend on the memory that the host grants.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.store.as_ref().map_or_else(Stats::default, Stats::of)
    }

    /// The bytes of the region, header and index included; 0 if the cache is disabled. It is what the host granted: a
    /// program whose outputs must not depend on that does not ask.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.store
            .as_ref()
            .map_or(0, |store| store.region.capacity() as usize)
    }

    /// The bytes of the entries' blocks.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.stats().used_bytes as usize
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stats().entries as usize
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tag in the region's header, zeros unless set; a host can read it.
    #[must_use]
    pub fn user_tag(&self) -> [u8; USER_TAG_BYTES] {
        self.store
            .as_ref()
            .map_or([0; USER_TAG_BYTES], |store| store.region.header().user_tag)
    }

    /// Sets the tag in the region's header, say chain and block hash.
    pub fn set_user_tag(&mut self, tag: &[u8; USER_TAG_BYTES]) {
        if let Some(store) = &mut self.store {
            store.region.header_mut().user_tag = *tag;
        }
    }

    /// Walks the full state, and names the first thing wrong. Takes time in proportion to the region's contents.
    ///
    /// # Errors
    ///
    /// See [`CacheFault`].
    pub fn validate(&self) -> Result<(), CacheFault> {
        self.store.as_ref().map_or(Ok(()), validate::validate)
    }
}

impl<'a> IntoIterator for &'a Cache {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}
