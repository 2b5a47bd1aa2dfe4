//! A byte-bounded LRU cache that lives wholly inside a [`Region`].
//!
//! Keys and values are byte strings. Nothing is allocated on the heap by any operation, so that the
//! heap looks the same on a hit, on a miss, and with no cache at all. Every operation does bounded
//! work whatever the keys are.

#![forbid(unsafe_code)]

mod attach;
mod bytes;
mod contents;
mod error;
mod evict;
mod forget;
mod free_list;
mod hash;
mod hashed_key;
mod index;
mod invalid;
mod invalidate;
mod iter;
mod open;
mod reading;
mod recency;
mod scope;
mod scoped;
mod store;
mod sweep;
mod validate;

#[cfg(feature = "metashrew")]
pub(crate) use bytes::{copy, equal};
pub use error::InsertError;
pub use hashed_key::HashedKey;
pub use invalid::CacheError;
pub use invalidate::Invalidated;
pub use iter::{Entries, Iter};
pub use open::{open_cache, open_cache_with};
pub use scope::{Pool, Scope};
pub use scoped::{Lookup, Scoped};

use crate::region::USER_TAG_BYTES;
pub use crate::region::{
    AttachError, Figure, Kind, PoolInfo, Region, RegionTakenError, Start, Stats,
};
use contents::Contents;
use store::Store;

/// A cache of byte strings, least recently used first out, in at most the bytes of its region.
///
/// An entry takes its key, its value, 22 bytes of header and up to 7 of rounding; the index
/// takes 64 bytes for each 9.5 entries of the plan's expected size. All of that, and the header, is
/// inside the region.
///
/// A cache answers with the last value that it was told for a key, or with nothing. What is
/// refused, evicted or swept is gone: an older value never comes in its place. So a program may
/// ignore every result of a call that writes. What is found to be damaged, since somebody wrote over
/// the region, is gone too.
///
/// A host tries a module by having its cache lose entries by chance, and a native test by the
/// environment variable `STEADFAST_FORGET`, a number that says which: what is stored must be the
/// same.
///
/// With no region, or one that cannot hold an entry, every lookup misses and every insert is
/// refused with [`InsertError::Disabled`].
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
    start: Start,
}

impl Cache {
    /// An empty cache over a region. Writes the region's header and nothing else, at a cost that
    /// does not depend on the region's size or on what it holds.
    #[must_use]
    pub fn new(region: Region) -> Cache {
        Cache {
            store: attach::cold(region),
            start: Start::Cold(AttachError::NotAsked),
        }
    }

    /// A cache over a region, with the entries of the image that stands there if one does and it is
    /// acceptable, or empty; [`start`](Self::start) tells which.
    ///
    /// On new memory, or where no image stands, it costs what [`new`](Self::new) costs. An image
    /// that the host has sealed is attached to by its header, at constant cost. Any other one
    /// is walked whole first, in time proportional to its entries and, where it has checksums,
    /// to its bytes. Nothing that stands in a region leads outside of it, or makes an operation
    /// panic.
    ///
    /// The cache goes on with the image's geometry, pools, quotas, height and tag; it counts anew.
    ///
    /// ```
    /// use steadfast::{cache::Cache, region::{AttachError, Region, Start}};
    ///
    /// let cache = Cache::open(Region::none());
    /// assert_eq!(cache.start(), Start::Cold(AttachError::Disabled));
    /// ```
    #[must_use]
    pub fn open(region: Region) -> Cache {
        let (store, start) = attach::attach(region);
        Cache { store, start }
    }

    /// How the cache began. It depends on the host: a program whose outputs must not depend on that
    /// does not ask.
    #[must_use]
    pub fn start(&self) -> Start {
        self.start
    }

    /// Whether other instances read the same memory. Lookups neither count nor promote then, so
    /// that they write nothing; what this instance writes, it alone sees.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.store.as_ref().is_some_and(Store::is_read_only)
    }

    /// Ends the cache, and makes a closed image of its region: one with checksums, which an
    /// instance with the same bytes at the same place verifies and attaches to. Takes time in
    /// proportion to the bytes in use.
    pub fn close(self) {
        if let Some(store) = self.store {
            store.into_region().close();
        }
    }

    /// The region as it stands, up to its frontier: what a host copies to have an image, between
    /// two operations. Empty without a region, and where it has more than 2 GiB.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        self.store
            .as_ref()
            .map_or(&[], |store| store.region().image())
    }

    /// Whether there is a region that can hold entries.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.store.is_some()
    }

    /// The value of a key, in place, and makes it the newest entry. Counts a hit or a miss.
    ///
    /// Constant cost plus the key's bytes. Whether a key is found depends on the memory that the
    /// host grants: a program whose outputs must not depend on it recomputes or fetches what it
    /// misses.
    pub fn get(&mut self, key: &[u8]) -> Option<&[u8]> {
        self.scope(Scope::Main).get(key)
    }

    /// Looks keys up as [`get`](Self::get) does, one after the other, and shows what each has, with
    /// its place in `keys`.
    ///
    /// A lookup in a large cache mostly waits for memory. Here the processor waits for sixteen keys
    /// at a time. So a lookup takes four tenths to two thirds of the time where the cache holds 64
    /// MiB or more, by machine and load. It takes about as long at 16 MiB, and up to twice as long
    /// where all of the cache lies in the processor's own. What is shown depends on what the cache
    /// holds, as with `get`. So do heap addresses if the program allocates by it.
    ///
    /// ```
    /// let mut cache = steadfast::open_cache().expect("opened once");
    /// let keys = [b"a", b"b"];
    /// // Allocated before, so that heap addresses do not depend on what the cache holds.
    /// let mut values = [[0; 8]; 2];
    /// let mut is_missed = [true; 2];
    /// cache.get_many(&keys, |number, value| {
    ///     if let Some(value) = value.and_then(|value| value.first_chunk()) {
    ///         values[number] = *value;
    ///         is_missed[number] = false;
    ///     }
    /// });
    /// // What is missed is fetched.
    /// # assert_eq!(is_missed, [true; 2]);
    /// ```
    pub fn get_many<K: AsRef<[u8]>>(&mut self, keys: &[K], show: impl FnMut(usize, Option<&[u8]>)) {
        self.scope(Scope::Main).get_many(keys, show);
    }

    /// The value of a key, in place, without promotion or counting.
    #[must_use]
    pub fn peek(&self, key: &[u8]) -> Option<&[u8]> {
        self.store.as_ref()?.peek(Scope::Main, key)
    }

    /// As [`peek`](Self::peek), of an entry that was written at a height or before.
    #[cfg(feature = "metashrew")]
    pub(crate) fn peek_up_to(&self, key: &[u8], height: u32) -> Option<&[u8]> {
        self.store.as_ref()?.peek_up_to(key, height)
    }

    /// Whether there is an entry with this key. No promotion, no counting.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.peek(key).is_some()
    }

    /// Stores a value under a key, in place of any that it has, as the newest entry. Evicts what it
    /// must.
    ///
    /// Cost: constant, plus the bytes of key and value, plus one eviction for each smallest entry's
    /// worth of them.
    ///
    /// # Errors
    ///
    /// The entry cannot fit, however much is evicted; see [`InsertError`]. The key is not there
    /// then, with no older value either, so that the result may be ignored.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), InsertError> {
        self.scope(Scope::Main).insert(key, value)
    }

    /// The value of a key; on a miss, `load` writes a value of `len` bytes straight into the
    /// region.
    ///
    /// `load` is given `len` zero bytes, so that what it leaves unwritten does not depend on
    /// earlier contents. If it unwinds, no entry is made. On a hit the value's own length
    /// counts, not `len`. Counts a hit or a miss; cost as [`get`](Self::get) or
    /// [`insert`](Self::insert).
    ///
    /// # Errors
    ///
    /// The entry is not there and cannot fit; `load` has not been called.
    pub fn get_or_load(
        &mut self,
        key: &[u8],
        len: usize,
        load: impl FnOnce(&mut [u8]),
    ) -> Result<&[u8], InsertError> {
        self.scope(Scope::Main).get_or_load(key, len, load)
    }

    /// Drops the entry with this key. Says whether there was one. Constant cost plus the key's
    /// bytes.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.scope(Scope::Main).remove(key)
    }

    /// The entries of a scope, for one operation, also by a [`HashedKey`]. What takes a key here
    /// deals with [`Scope::Main`].
    #[inline]
    pub fn scope(&mut self, scope: Scope) -> Scoped<'_> {
        Scoped::new(self.store.as_mut(), scope)
    }

    /// Drops all entries of every pool, at constant cost. Counters keep counting, quotas stay.
    pub fn clear(&mut self) {
        if let Some(store) = &mut self.store {
            store.change(Store::clear);
        }
    }

    /// Evicts the oldest entries of [`Pool::Main`] until the blocks of those left take at most
    /// `bytes`. Returns how many it evicted, and takes time in proportion to that.
    pub fn evict_to(&mut self, bytes: usize) -> usize {
        self.evict_pool_to(Pool::Main, bytes, usize::MAX)
    }

    /// Evicts a pool's oldest entries until the blocks of those left take at most `bytes`, or
    /// `steps` of them are gone. Returns how many it evicted, and takes time in proportion to
    /// that.
    pub fn evict_pool_to(&mut self, pool: Pool, bytes: usize, steps: usize) -> usize {
        let store = self.store.as_mut();
        store.map_or(0, |store| {
            store.change(|store| store.evict_to(pool, bytes, steps))
        })
    }

    /// Bounds the blocks of a pool's entries, and evicts its oldest ones until they keep to that.
    /// `u32::MAX`, which every pool begins with, is no bound but the region's size. Returns how
    /// many it evicted, and takes time in proportion to that.
    ///
    /// An insert makes room within its pool first. It takes other pools' entries only where the
    /// arena itself is short, because quotas promise more than there is, or too fragmented for
    /// a large value.
    ///
    /// A cache that [is read-only](Self::is_read_only) keeps the quotas that it has.
    pub fn set_quota(&mut self, pool: Pool, bytes: u32) -> usize {
        match &mut self.store {
            Some(store) if !store.is_read_only() => {
                store
                    .region_mut()
                    .header_mut()
                    .pool_mut(pool.number())
                    .quota_bytes = bytes;
            }
            _ => return 0,
        }
        self.evict_pool_to(pool, bytes as usize, usize::MAX)
    }

    /// The height that entries of [`Pool::Main`] and [`Pool::Application`] are written at from now
    /// on; 0 at first. Entries of [`Pool::Views`] are written at their own.
    pub fn set_height(&mut self, height: u32) {
        if let Some(store) = &mut self.store {
            store.region_mut().header_mut().height = height;
        }
    }

    /// The height that was set last, in this instance or in the one that left the image; 0 at
    /// first, and without a region.
    #[must_use]
    pub fn height(&self) -> u32 {
        let store = self.store.as_ref();
        store.map_or(0, |store| store.region().header().height)
    }

    /// Drops the entries of every pool that were written above a height, as after a reorganisation.
    /// Returns how many.
    ///
    /// Takes time in proportion to the number of all entries.
    pub fn invalidate_above(&mut self, height: u32) -> usize {
        let store = self.store.as_mut();
        store.map_or(0, |store| {
            store.change(|store| store.invalidate_all_above(height))
        })
    }

    /// As [`invalidate_above`](Self::invalidate_above), but looks at no more than `steps` entries.
    /// To be called until it is done; each call goes on where the last one stopped.
    ///
    /// Lookups find nothing from above the height as soon as it has begun. What is written above it
    /// before it is done may be dropped too.
    pub fn invalidate_above_in_steps(&mut self, height: u32, steps: usize) -> Invalidated {
        match &mut self.store {
            Some(store) => store.change(|store| store.invalidate_above(height, steps)),
            None => Invalidated {
                dropped: 0,
                done: true,
            },
        }
    }

    /// The entries of [`Pool::Main`] as (key, value), newest first.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.entries(Pool::Main))
    }

    /// The entries of a pool as (scope, key, value), newest first.
    #[must_use]
    pub fn entries(&self, pool: Pool) -> Entries<'_> {
        Entries::new(self.contents(), pool)
    }

    /// Counters and sizes of one pool; all zero if the cache is disabled. They depend on the memory
    /// that the host grants.
    #[must_use]
    pub fn pool_info(&self, pool: Pool) -> PoolInfo {
        self.store.as_ref().map_or_else(PoolInfo::default, |store| {
            store.region().header().pool(pool.number()).info()
        })
    }

    /// Counters and sizes of all pools together. They depend on the memory that the host grants.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.contents().map_or_else(Stats::default, Contents::stats)
    }

    /// The bytes of the region, header and index included; 0 if the cache is disabled. It is what
    /// the host granted: a program whose outputs must not depend on that does not ask.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.store
            .as_ref()
            .map_or(0, |store| store.region().capacity() as usize)
    }

    /// The bytes that the region may grow to, header and index included; 0 if the cache is
    /// disabled. As [`capacity`](Self::capacity), unless the region grows on demand.
    #[must_use]
    pub fn max_capacity(&self) -> usize {
        self.store
            .as_ref()
            .map_or(0, |store| store.region().geometry().limit as usize)
    }

    /// The bytes of the entries' blocks, in all pools.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.stats().used_bytes as usize
    }

    /// The number of entries in all pools.
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
        self.store.as_ref().map_or([0; USER_TAG_BYTES], |store| {
            store.region().header().user_tag
        })
    }

    /// Sets the tag in the region's header, say chain and block hash.
    pub fn set_user_tag(&mut self, tag: &[u8; USER_TAG_BYTES]) {
        if let Some(store) = &mut self.store {
            store.change(|store| store.region_mut().header_mut().user_tag = *tag);
        }
    }

    /// Walks the full state, and names the first thing wrong. Takes time in proportion to the
    /// region's contents.
    ///
    /// # Errors
    ///
    /// See [`CacheError`].
    pub fn validate(&self) -> Result<(), CacheError> {
        self.contents().map_or(Ok(()), validate::validate)
    }

    fn contents(&self) -> Option<&Contents> {
        self.store.as_ref().map(Store::contents)
    }
}

impl<'a> IntoIterator for &'a Cache {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod test_numbers;
