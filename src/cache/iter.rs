//! The entries in recency order.

use super::contents::Contents;
use super::scope::{Pool, Scope};
use crate::region::ENTRY_HEADER_BYTES;

/// The entries of a pool as (key, value), newest first.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    entries: Entries<'a>,
}

/// The entries of a pool with the scope that each is in, newest first.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    contents: Option<&'a Contents>,
    at: u32,
    left: u32,
}

impl<'a> Entries<'a> {
    pub(super) fn new(contents: Option<&'a Contents>, pool: Pool) -> Entries<'a> {
        let (at, left) = contents.map_or((0, 0), |contents| {
            let pool = contents.region.header().pool(pool.number());
            // Damaged links may form a cycle, and a damaged count may be anything: the arena bounds
            // the walk.
            (
                pool.newest,
                pool.entries
                    .min(contents.arena_bytes() / ENTRY_HEADER_BYTES),
            )
        });
        Entries { contents, at, left }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Scope, &'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let contents = self.contents?;
        loop {
            self.left = self.left.checked_sub(1)?;
            let at = self.at;
            let entry = contents.region.entry(at)?;
            self.at = entry.older;
            if contents.is_swept(at) {
                continue;
            }
            let (key, value) = contents.key_value(at, entry)?;
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
