//! The entries in recency order.

use super::scope::{Pool, Scope};
use super::store::Store;
use crate::region::ENTRY_HEADER_BYTES;

/// The entries of a pool as (key, value), newest first.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    entries: Entries<'a>,
}

/// The entries of a pool with the scope that each is in, newest first.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    store: Option<&'a Store>,
    at: u32,
    left: u32,
}

impl<'a> Entries<'a> {
    pub(super) fn new(store: Option<&'a Store>, pool: Pool) -> Entries<'a> {
        let (at, left) = store.map_or((0, 0), |store| {
            let pool = store.region.header().pool(pool.number());
            // Damaged links may form a cycle, and a damaged count may be anything: the arena bounds the walk.
            (
                pool.newest,
                pool.entries.min(store.arena_bytes() / ENTRY_HEADER_BYTES),
            )
        });
        Entries { store, at, left }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Scope, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let store = self.store?;
        loop {
            self.left = self.left.checked_sub(1)?;
            let at = self.at;
            let entry = store.region.entry(at)?;
            self.at = entry.older;
            if store.is_invalid(at) {
                continue;
            }
            let (key, value) = store.key_value(at, entry)?;
            return Some((Scope::of(entry)?, key, value));
        }
    }
}

impl<'a> Iter<'a> {
    pub(super) fn new(entries: Entries<'a>) -> Iter<'a> {
        Iter { entries }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.entries.next().map(|(_, key, value)| (key, value))
    }
}
