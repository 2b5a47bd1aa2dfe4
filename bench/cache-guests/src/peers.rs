//! The caches that it is measured beside, each used as its documentation shows.
//!
//! Keys and values are boxed slices. Where the hasher can be chosen it is rustc's, the fastest that
//! was measured here.

use std::num::NonZeroUsize;

use clru::{CLruCache, CLruCacheConfig, WeightScale};
use quick_cache::unsync::{Cache, DefaultLifecycle};
use rustc_hash::FxBuildHasher;
use schnellru::{ByLength, LruMap};

use crate::{Capacity, Subject};

type Bytes = Box<[u8]>;

/// Wraps a cache: how it is made, what its methods are called, and what a key is looked up as.
macro_rules! peer {
    (
        $(#[$documentation:meta])*
        $name:ident($cache:ty) = $open:expr;
        $insert:ident, $remove:ident($key:ident => $sought:expr)
    ) => {
        $(#[$documentation])*
        pub struct $name($cache);

        impl Subject for $name {
            fn open(capacity: Capacity) -> Self {
                let open: fn(Capacity) -> $cache = $open;
                $name(open(capacity))
            }

            #[inline(always)]
            fn get(&mut self, $key: &[u8], found: impl FnOnce(&[u8])) -> bool {
                self.0.get($sought).map(|value| found(value)).is_some()
            }

            #[inline(always)]
            fn insert(&mut self, key: &[u8], value: &[u8]) {
                // What cannot fit is missed later.
                _ = self.0.$insert(key.into(), value.into());
            }

            #[inline(always)]
            fn remove(&mut self, $key: &[u8]) {
                self.0.$remove($sought);
            }

            fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
                self.0.iter().for_each(|(key, value)| entry(key, value));
            }
        }
    };
}

peer! {
    /// The crate `lru`, bounded by entries.
    Lru(lru::LruCache<Bytes, Bytes, FxBuildHasher>) = |capacity| {
        lru::LruCache::with_hasher(at_least_one(capacity.entries), FxBuildHasher)
    };
    put, pop(key => key)
}

peer! {
    /// The crate `lru-mem` with its own hasher, bounded by what it counts as an entry's memory.
    LruMem(lru_mem::LruCache<Bytes, Bytes>) = |capacity| lru_mem::LruCache::new(capacity.bytes);
    insert, remove(key => key)
}

peer! {
    /// The crate `schnellru`, bounded by entries.
    Schnellru(LruMap<Bytes, Bytes, ByLength, FxBuildHasher>) = |capacity| {
        LruMap::with_hasher(ByLength::new(capacity.entries as u32), FxBuildHasher)
    };
    insert, remove(key => &Sought(key))
}

peer! {
    /// The crate `hashlink`, bounded by entries.
    Hashlink(hashlink::LruCache<Bytes, Bytes, FxBuildHasher>) = |capacity| {
        hashlink::LruCache::with_hasher(capacity.entries, FxBuildHasher)
    };
    insert, remove(key => key)
}

peer! {
    /// The crate `quick_cache` for one thread (not LRU: S3-FIFO), bounded by bytes of keys and values.
    QuickCache(Cache<Bytes, Bytes, Weight, FxBuildHasher>) = |capacity| {
        let bytes = capacity.bytes as u64;
        Cache::with(capacity.entries, bytes, Weight, FxBuildHasher, DefaultLifecycle::default())
    };
    insert, remove(key => key)
}

peer! {
    /// The crate `clru`, bounded by bytes of keys and values.
    Clru(CLruCache<Bytes, Bytes, FxBuildHasher, Weight>) = |capacity| {
        let config = CLruCacheConfig::new(at_least_one(capacity.bytes));
        CLruCache::with_config(config.with_hasher(FxBuildHasher).with_scale(Weight))
    };
    put_with_weight, pop(key => key)
}

fn at_least_one(number: usize) -> NonZeroUsize {
    number.try_into().unwrap_or(NonZeroUsize::MIN)
}

/// A key that is looked up, which compares to a boxed one.
#[derive(Hash)]
struct Sought<'a>(&'a [u8]);

impl PartialEq<Bytes> for Sought<'_> {
    #[inline(always)]
    fn eq(&self, key: &Bytes) -> bool {
        *self.0 == **key
    }
}

/// What an entry counts where the cache lets its user say: the bytes of key and value.
#[derive(Clone)]
struct Weight;

impl quick_cache::Weighter<Bytes, Bytes> for Weight {
    fn weight(&self, key: &Bytes, value: &Bytes) -> u64 {
        (key.len() + value.len()) as u64
    }
}

impl WeightScale<Bytes, Bytes> for Weight {
    fn weight(&self, key: &Bytes, value: &Bytes) -> usize {
        // The cache counts one for each entry besides.
        key.len() + value.len() - 1
    }
}
