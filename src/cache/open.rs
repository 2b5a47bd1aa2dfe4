//! The module's one cache.

use super::Cache;
use crate::region::{Region, RegionTaken};

/// Opens the cache over the module's region, reserving memory first if that is still to be done.
///
/// Costs the same whatever the region's size. On a host that grants no region the cache is there and always misses.
///
/// # Errors
///
/// It was opened before: there is one in the life of an instance.
///
/// ```
/// let mut cache = steadfast::open_cache().expect("opened once");
/// cache.insert(b"key", b"value").expect("it fits");
/// assert_eq!(cache.get(b"key"), Some(&b"value"[..]));
/// assert!(steadfast::open_cache().is_err());
/// ```
pub fn open_cache() -> Result<Cache, RegionTaken> {
    Region::reserved().map(Cache::new)
}
