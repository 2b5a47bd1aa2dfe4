//! The cache's image, where the module asks its host for one and offers the next: with the feature
//! `image`.

#[cfg(feature = "image")]
pub use asked::{offer, open};
#[cfg(not(feature = "image"))]
pub use plain::{offer, open};

#[cfg(feature = "image")]
mod asked {
    use crate::cache::{Cache, open_cache_with};
    use crate::metashrew::host;
    use crate::region::RegionTakenError;

    /// Opens the module's cache over the image that the host has.
    pub fn open() -> Result<Cache, RegionTakenError> {
        open_cache_with(host::load_image)
    }

    /// Offers the host the cache as it is.
    pub fn offer(cache: &Cache) {
        let image = cache.image();
        if !image.is_empty() {
            host::offer_image(image);
        }
    }
}

#[cfg(not(feature = "image"))]
mod plain {
    use crate::cache::Cache;

    pub use crate::cache::open_cache as open;

    /// Nobody is there to take it.
    pub fn offer(_cache: &Cache) {}
}
