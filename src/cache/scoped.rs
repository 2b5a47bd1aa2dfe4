//! The operations on one scope's entries.

use super::error::InsertError;
use super::scope::Scope;
use super::store::Store;

/// The entries of one scope of a [`Cache`](super::Cache), for one operation. The cache's own operations are these, on
/// [`Scope::Main`]: costs and counting are as described there.
///
/// ```
/// use steadfast::cache::Scope;
///
/// let mut cache = steadfast::open_cache().expect("opened once");
/// cache.scope(Scope::View(849_236)).insert(b"balance", b"7").expect("it fits");
/// assert_eq!(cache.scope(Scope::View(849_236)).get(b"balance"), Some(&b"7"[..]));
/// assert_eq!(cache.scope(Scope::View(849_237)).get(b"balance"), None);
/// assert_eq!(cache.get(b"balance"), None);
/// ```
#[derive(Debug)]
pub struct Scoped<'a> {
    store: Option<&'a mut Store>,
    scope: Scope,
}

impl<'a> Scoped<'a> {
    pub(super) fn new(store: Option<&'a mut Store>, scope: Scope) -> Scoped<'a> {
        Scoped { store, scope }
    }

    /// The value of a key, in place, and makes it the newest entry of its pool. Counts a hit or a miss.
    #[inline]
    pub fn get(self, key: &[u8]) -> Option<&'a [u8]> {
        let store = self.store?;
        let found = store.look_up(self.scope, key)?;
        store.value(found)
    }

    /// The value of a key, in place, without promotion or counting.
    #[must_use]
    pub fn peek(self, key: &[u8]) -> Option<&'a [u8]> {
        let store = self.store?;
        store.peek(self.scope, key)
    }

    /// Stores a value under a key, in place of any that it has, as the newest entry. Evicts what it must.
    ///
    /// # Errors
    ///
    /// The entry cannot fit, however much is evicted; the cache is then as it was.
    pub fn insert(self, key: &[u8], value: &[u8]) -> Result<(), InsertError> {
        let store = self.store.ok_or(InsertError::Disabled)?;
        store.insert(self.scope, key, value)
    }

    /// The value of a key; on a miss, `load` writes a value of `len` bytes straight into the region.
    ///
    /// # Errors
    ///
    /// The entry is not there and cannot fit; `load` has not been called, and the cache is as it was.
    pub fn get_or_load(
        self,
        key: &[u8],
        len: usize,
        load: impl FnOnce(&mut [u8]),
    ) -> Result<&'a [u8], InsertError> {
        let store = self.store.ok_or(InsertError::Disabled)?;
        let found = match store.look_up(self.scope, key) {
            Some(found) => found,
            None => store.load(self.scope, key, len, load)?,
        };
        store.value(found).ok_or(InsertError::Damaged)
    }

    /// Drops the entry with this key. Says whether there was one.
    pub fn remove(self, key: &[u8]) -> bool {
        self.store
            .is_some_and(|store| store.remove(self.scope, key))
    }
}
