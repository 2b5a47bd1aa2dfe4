//! The module's one cache.

use super::Cache;
use crate::instance_info;
use crate::region::{Region, RegionTakenError};

/// Opens the cache over the module's region, reserving memory first if that is still to be done.
///
/// Begins with the entries of the image that stands in the region, if the host put an acceptable
/// one there; see [`Cache::open`] for what that costs. Otherwise it costs the same whatever the
/// region's size. On a host that grants no region the cache is there and always misses.
///
/// # Errors
///
/// It was opened before: there is one in the life of an instance.
///
/// ```
/// let mut cache = steadfast::open_cache().expect("opened once");
/// // What is refused, or gone when it is asked for, costs speed and nothing else.
/// let _ = cache.insert(b"key", b"value");
/// assert!(cache.get(b"key").is_none_or(|value| value == b"value"));
/// assert!(steadfast::open_cache().is_err());
/// ```
pub fn open_cache() -> Result<Cache, RegionTakenError> {
    Ok(opened(Region::reserved()?))
}

/// As [`open_cache`], of a region into which an image is [loaded](Region::load) first.
///
/// # Errors
///
/// As there; `load` is not called then.
///
/// ```
/// use steadfast::{cache::open_cache_with, region::Start};
///
/// // The host has no image.
/// let cache = open_cache_with(|_memory| 0).expect("opened once");
/// assert!(!cache.start().is_warm());
/// ```
pub fn open_cache_with(load: impl FnMut(&mut [u8]) -> u32) -> Result<Cache, RegionTakenError> {
    let mut region = Region::reserved()?;
    region.load(load);
    Ok(opened(region))
}

fn opened(region: Region) -> Cache {
    let cache = Cache::open(region);
    instance_info::note_cache_start(cache.start().code());
    cache
}
