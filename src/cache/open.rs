//! The module's one cache.

use super::Cache;
use crate::record;
use crate::region::{Region, RegionTaken};

/// Opens the cache over the module's region, reserving memory first if that is still to be done.
///
/// Begins with the entries of the image that stands in the region, if the host put an acceptable one there; see
/// [`Cache::open`] for what that costs. Otherwise it costs the same whatever the region's size. On a host that grants no
/// region the cache is there and always misses.
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
    let cache = Cache::open(Region::reserved()?);
    record::note_cache_start(cache.start().code());
    Ok(cache)
}
