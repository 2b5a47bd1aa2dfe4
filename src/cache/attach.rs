//! How a cache begins: with the entries of the image that stands in its region, or without any.

use super::hash;
use super::store::Store;
use super::validate::validate;
use crate::region::{AttachError, Region, Start};

/// A store over a region, and how it began; no store where the region cannot hold an entry.
pub fn attach(region: Region) -> (Option<Store>, Start) {
    let forget_seed = region.forget_seed();
    let (region, reason) = match region.attach(hash::NAME) {
        Ok((region, claim)) => {
            let start = claim.start;
            let mut store = Store::new(region);
            if start != Start::Walked || validate(store.contents()).is_ok() {
                claim.accept(store.region_mut());
                store.resume(start);
                store.forget_by(forget_seed);
                return (Some(store), start);
            }
            (claim.refuse(store.into_region()), AttachError::Damaged)
        }
        Err(refused) => refused,
    };
    match cold(region) {
        Some(store) => (Some(store), Start::Cold(reason)),
        None => (None, Start::Cold(AttachError::Disabled)),
    }
}

/// An empty store over a region, whatever stands there.
pub fn cold(region: Region) -> Option<Store> {
    let forget_seed = region.forget_seed();
    let mut store = Store::new(region.format(hash::NAME).ok()?);
    store.forget_by(forget_seed);
    Some(store)
}
