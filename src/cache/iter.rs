//! The entries in recency order.

use super::store::Store;
use crate::region::ENTRY_HEADER_BYTES;

/// The entries of a cache as (key, value), newest first.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    store: Option<&'a Store>,
    at: u32,
    left: u32,
}

impl<'a> Iter<'a> {
    pub(super) fn new(store: Option<&'a Store>) -> Iter<'a> {
        let (at, left) = store.map_or((0, 0), |store| {
            let pool = &store.region.header().pools[0];
            // Damaged links may form a cycle, and a damaged count may be anything: the arena bounds the walk.
            (
                pool.newest,
                pool.entries.min(store.arena_bytes() / ENTRY_HEADER_BYTES),
            )
        });
        Iter { store, at, left }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let store = self.store?;
        let entry = store.region.entry(self.at)?;
        let item = store.key_value(self.at, entry)?;
        self.at = entry.older;
        Some(item)
    }
}
