//! The operations on one scope's entries.

use super::error::InsertError;
use super::hash::hash;
use super::hashed_key::HashedKey;
use super::scope::Scope;
use super::store::Store;

/// The entries of one scope of a [`Cache`](super::Cache), for one operation. The cache's own
/// operations are these, on [`Scope::Main`]: costs and counting are as described there.
///
/// ```
/// use steadfast::cache::Scope;
///
/// let mut cache = steadfast::open_cache().expect("opened once");
/// let _ = cache.scope(Scope::View(849_236)).insert(b"balance", b"7");
/// let balance = cache.scope(Scope::View(849_236)).get(b"balance");
/// assert!(balance.is_none_or(|balance| balance == b"7"));
/// assert_eq!(cache.scope(Scope::View(849_237)).get(b"balance"), None);
/// assert_eq!(cache.get(b"balance"), None);
/// ```
#[derive(Debug)]
pub struct Scoped<'a> {
    store: Option<&'a mut Store>,
    scope: Scope,
}

/// As many keys are looked up at a time: a processor does not wait for many more.
const AT_A_TIME: usize = 16;

/// What [`Scoped::get_or_fetch`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<'a, V> {
    /// The value was there.
    Hit(&'a [u8]),
    /// It was not, and this is what was fetched.
    Miss(V),
}

impl<'a> Scoped<'a> {
    pub(super) fn new(store: Option<&'a mut Store>, scope: Scope) -> Scoped<'a> {
        Scoped { store, scope }
    }

    /// The value of a key, in place, and makes it the newest entry of its pool. Counts a hit or a
    /// miss.
    #[inline]
    pub fn get(self, key: &[u8]) -> Option<&'a [u8]> {
        self.find(key, || hash(key))
    }

    /// As [`get`](Self::get), by a key that was hashed before.
    #[inline]
    pub fn get_hashed<K: AsRef<[u8]>>(self, key: &HashedKey<K>) -> Option<&'a [u8]> {
        self.find(key.bytes(), || key.index_hash())
    }

    /// Asks for the hash where there is a cache, so that a key is hashed no earlier.
    #[inline]
    fn find(self, key: &[u8], hash: impl FnOnce() -> u64) -> Option<&'a [u8]> {
        let store = self.store?;
        let mut home = store.home(self.scope.hash_of(hash()));
        let value = store.look_up(self.scope, key, &mut home)?;
        store.bytes(value)
    }

    /// Looks keys up as [`get`](Self::get) does, one after the other, and shows what each has, with
    /// its place in `keys`.
    pub fn get_many<K: AsRef<[u8]>>(self, keys: &[K], mut show: impl FnMut(usize, Option<&[u8]>)) {
        let Some(store) = self.store else {
            (0..keys.len()).for_each(|number| show(number, None));
            return;
        };
        let mut number = 0;
        for keys in keys.chunks(AT_A_TIME) {
            let mut hashes = [0; AT_A_TIME];
            for (hash, key) in hashes.iter_mut().zip(keys) {
                *hash = self.scope.hash(key.as_ref());
            }
            store.contents().index().touch(&hashes[..keys.len()]);
            for (key, hash) in keys.iter().zip(hashes) {
                let value = store.look_up(self.scope, key.as_ref(), &mut store.home(hash));
                show(number, value.and_then(|value| store.bytes(value)));
                number += 1;
            }
        }
    }

    /// The value of a key, in place, without promotion or counting.
    #[must_use]
    pub fn peek(self, key: &[u8]) -> Option<&'a [u8]> {
        let store = self.store?;
        store.peek(self.scope, key)
    }

    /// Stores a value under a key, in place of any that it has, as the newest entry. Evicts what it
    /// must.
    ///
    /// # Errors
    ///
    /// The entry cannot fit, however much is evicted; the key is not there then, with no older
    /// value either.
    pub fn insert(self, key: &[u8], value: &[u8]) -> Result<(), InsertError> {
        self.store_under(key, || hash(key), value)
    }

    /// As [`insert`](Self::insert), under a key that was hashed before.
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn insert_hashed<K: AsRef<[u8]>>(
        self,
        key: &HashedKey<K>,
        value: &[u8],
    ) -> Result<(), InsertError> {
        self.store_under(key.bytes(), || key.index_hash(), value)
    }

    /// As [`find`](Self::find).
    #[inline]
    fn store_under(
        self,
        key: &[u8],
        hash: impl FnOnce() -> u64,
        value: &[u8],
    ) -> Result<(), InsertError> {
        let store = self.store.ok_or(InsertError::Disabled)?;
        let hash = self.scope.hash_of(hash());
        store.change(|store| store.insert(self.scope, key, value, hash))
    }

    /// The value of a key; on a miss, `load` writes a value of `len` bytes straight into the
    /// region.
    ///
    /// # Errors
    ///
    /// The entry is not there and cannot fit; `load` has not been called.
    pub fn get_or_load(
        self,
        key: &[u8],
        len: usize,
        load: impl FnOnce(&mut [u8]),
    ) -> Result<&'a [u8], InsertError> {
        let store = self.store.ok_or(InsertError::Disabled)?;
        let mut home = store.home(self.scope.hash(key));
        let value = match store.look_up(self.scope, key, &mut home) {
            Some(value) => value,
            None => store.change(|store| store.load(self.scope, key, len, home, load))?,
        };
        store.bytes(value).ok_or(InsertError::Damaged)
    }

    /// The value of a key, in place; on a miss, what `fetch` gives, which is also stored if it can
    /// be.
    ///
    /// One lookup, whether the key is found or not. If `fetch` unwinds, nothing is stored. Counts a
    /// hit or a miss.
    #[inline]
    pub fn get_or_fetch<V: AsRef<[u8]>>(
        self,
        key: &[u8],
        fetch: impl FnOnce() -> V,
    ) -> Lookup<'a, V> {
        self.get_or_fetch_hashed(&HashedKey::new(key), fetch)
    }

    /// As [`get_or_fetch`](Self::get_or_fetch), by a key that was hashed before.
    #[inline]
    pub fn get_or_fetch_hashed<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        self,
        key: &HashedKey<K>,
        fetch: impl FnOnce() -> V,
    ) -> Lookup<'a, V> {
        let Some(store) = self.store else {
            return Lookup::Miss(fetch());
        };
        let mut home = store.home(self.scope.hash_of(key.index_hash()));
        let key = key.bytes();
        let Some(found) = store.look_up(self.scope, key, &mut home) else {
            let value = fetch();
            // What does not fit is fetched again next time.
            let _ =
                store.change(|store| store.insert_absent(self.scope, key, value.as_ref(), home));
            return Lookup::Miss(value);
        };
        match store.bytes(found) {
            Some(value) => Lookup::Hit(value),
            None => Lookup::Miss(fetch()),
        }
    }

    /// Drops the entry with this key. Says whether there was one.
    pub fn remove(self, key: &[u8]) -> bool {
        self.remove_hashed(&HashedKey::new(key))
    }

    /// As [`remove`](Self::remove), by a key that was hashed before.
    pub fn remove_hashed<K: AsRef<[u8]>>(self, key: &HashedKey<K>) -> bool {
        let hash = self.scope.hash_of(key.index_hash());
        self.store
            .is_some_and(|store| store.change(|store| store.remove(self.scope, key.bytes(), hash)))
    }
}
