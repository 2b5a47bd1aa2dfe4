//! The other candidate for the index: `hashbrown` over entries that stand in one buffer, with hash and comparison of the crate.
//!
//! Measured as a table could be used there, and nothing more: no pools, heights, image or checks of foreign bytes.

mod arena;
#[path = "../../../src/cache/words.rs"]
mod words;

use crate::{Capacity, Subject};
use arena::{Arena, Entry};
use hashbrown::HashTable;
use words::{copy, equal};
use xxhash_rust::xxh64::xxh64;

/// Strict LRU. The variant says for how many times its most entries the table has room from the beginning.
pub struct HashbrownIndex {
    table: HashTable<u32>,
    arena: Arena,
    newest: u32,
    oldest: u32,
}

fn hash_of(key: &[u8]) -> u64 {
    xxh64(key, 0)
}

impl HashbrownIndex {
    #[inline(always)]
    fn find(&self, key: &[u8], hash: u64) -> Option<u32> {
        let has_key = |at: &u32| equal(self.arena.key(*at), key);
        self.table.find(hash, has_key).copied()
    }

    fn link_newest(&mut self, at: u32) {
        let second = self.newest;
        self.newest = at;
        let entry = self.arena.entry_mut(at);
        (entry.newer, entry.older) = (0, second);
        match second {
            0 => self.oldest = at,
            _ => self.arena.entry_mut(second).newer = at,
        }
    }

    fn unlink(&mut self, at: u32) {
        let Entry { newer, older, .. } = *self.arena.entry(at);
        match newer {
            0 => self.newest = older,
            _ => self.arena.entry_mut(newer).older = older,
        }
        match older {
            0 => self.oldest = newer,
            _ => self.arena.entry_mut(older).newer = newer,
        }
    }

    #[inline(always)]
    fn promote(&mut self, at: u32) {
        if self.newest != at {
            self.unlink(at);
            self.link_newest(at);
        }
    }

    fn drop_entry(&mut self, at: u32, hash: u64) {
        if let Ok(slot) = self.table.find_entry(hash, |held| *held == at) {
            slot.remove();
        }
        self.unlink(at);
        self.arena.release(at);
    }

    /// Room for a block, if need be at the cost of the oldest entries. `None` where the buffer is too small for it.
    fn reserve(&mut self, bytes: u32) -> Option<u32> {
        loop {
            if let Some(at) = self.arena.take(bytes) {
                return Some(at);
            }
            if self.oldest == 0 {
                return None;
            }
            self.drop_entry(self.oldest, hash_of(self.arena.key(self.oldest)));
        }
    }
}

impl Subject for HashbrownIndex {
    fn open(capacity: Capacity) -> Self {
        Self {
            table: HashTable::with_capacity(capacity.variant as usize * capacity.entries),
            arena: Arena::new(capacity.bytes),
            newest: 0,
            oldest: 0,
        }
    }

    #[inline(always)]
    fn get(&mut self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        let Some(at) = self.find(key, hash_of(key)) else {
            return false;
        };
        self.promote(at);
        found(self.arena.value(at));
        true
    }

    #[inline(always)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        let hash = hash_of(key);
        if let Some(at) = self.find(key, hash) {
            if self.arena.value(at).len() == value.len() {
                copy(self.arena.value_mut(at), value);
                return self.promote(at);
            }
            self.drop_entry(at, hash);
        }
        // What cannot fit is missed later.
        let Some(at) = self.reserve(arena::block_bytes(key, value)) else {
            return;
        };
        self.arena.write(at, key, value);
        self.link_newest(at);
        let arena = &self.arena;
        self.table
            .insert_unique(hash, at, |at| hash_of(arena.key(*at)));
    }

    #[inline(always)]
    fn remove(&mut self, key: &[u8]) {
        let hash = hash_of(key);
        if let Some(at) = self.find(key, hash) {
            self.drop_entry(at, hash);
        }
    }

    fn each(&self, mut entry: impl FnMut(&[u8], &[u8])) {
        let mut at = self.newest;
        while at != 0 {
            entry(self.arena.key(at), self.arena.value(at));
            at = self.arena.entry(at).older;
        }
    }
}
