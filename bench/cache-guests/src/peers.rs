//! The caches that it is measured beside, each used as its documentation shows.
//!
//! Keys and values are boxed slices. Where the hasher can be chosen it is rustc's, the fastest that was measured here.

mod bound;
mod clru;
mod hashlink;
mod lru;
mod lru_mem;
mod metashrew;
mod quick_cache;
mod schnellru;

pub use self::bound::Bound;
pub use self::clru::Clru;
pub use self::hashlink::Hashlink;
pub use self::lru::Lru;
pub use self::lru_mem::LruMem;
pub use self::metashrew::Metashrew;
pub use self::quick_cache::QuickCache;
pub use self::schnellru::Schnellru;

use rustc_hash::FxBuildHasher;
use std::num::NonZeroUsize;

type Bytes = Box<[u8]>;

fn at_least_one(number: usize) -> NonZeroUsize {
    number.try_into().unwrap_or(NonZeroUsize::MIN)
}

/// What an entry counts where the cache lets its user say.
fn weight(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len()
}
