//! A key that is hashed once.

use super::hash::hash;

/// A key, and its hash in the cache's index.
///
/// For a program that looks one key up more than once: among its own pending writes, in the cache,
/// and in the cache again when it stores what it has written. Each of them costs the hash, which is
/// a fifth of a lookup. [`Scoped`](super::Scoped) takes such keys, and [`hash`](Self::hash) serves
/// a table of the program's own.
///
/// ```
/// use steadfast::cache::{HashedKey, Scope};
///
/// let mut cache = steadfast::open_cache().expect("opened once");
/// let key = HashedKey::new(*b"balance");
/// let _ = cache.scope(Scope::Main).insert_hashed(&key, b"7");
/// let balance = cache.scope(Scope::Main).get_hashed(&key);
/// assert!(balance.is_none_or(|balance| balance == b"7"));
/// ```
///
/// The bytes that `K` gives must stay the same, as for the key of a hash table. Where they change,
/// an entry may be missed, and later an older value of it be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashedKey<K> {
    /// In front of the key, so that unequal keys differ at once.
    hash: u64,
    key: K,
}

impl<K: AsRef<[u8]>> HashedKey<K> {
    /// Hashes a key. Costs about two units of fuel for a byte.
    #[inline]
    pub fn new(key: K) -> Self {
        let hash = hash(key.as_ref());
        Self { hash, key }
    }

    /// The key's bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.key.as_ref()
    }
}

impl<K> HashedKey<K> {
    /// A key whose hash is known.
    #[cfg(feature = "metashrew")]
    #[inline]
    pub(crate) fn with_hash(key: K, hash: u64) -> Self {
        Self { hash, key }
    }

    /// The key.
    #[inline]
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The hash for a table of the program's own, the same on every target.
    ///
    /// It has no seed, and keys with one hash are easy to make. A table whose keys are chosen by
    /// somebody else must bound what it compares.
    #[inline]
    pub fn hash(&self) -> u64 {
        // A table's order goes by the lowest bits, which choose the group of buckets in the index.
        // Keys that came in that order would fill one group after the other.
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        self.hash.wrapping_mul(ODD)
    }

    /// The hash of the index.
    #[doc(hidden)]
    #[inline]
    pub fn index_hash(&self) -> u64 {
        self.hash
    }
}
