//! What the cache's parts work on: a formatted region, and the operations that put the parts together.

use super::error::InsertError;
use super::hash::hash;
use super::words::equal;
use crate::region::{ENTRY_HEADER_BYTES, EntryHeader, Formatted, block_bytes};

/// An enabled cache.
#[derive(Debug)]
pub struct Store {
    pub region: Formatted,
}

impl Store {
    pub fn new(region: Formatted) -> Store {
        Store { region }
    }

    /// Offset and length of an entry's value.
    #[inline]
    fn value_span(&self, at: u32) -> (u32, u32) {
        self.region.entry(at).map_or((0, 0), |entry| {
            let value_at = at.wrapping_add(ENTRY_HEADER_BYTES + entry.key_len());
            (value_at, entry.value_len())
        })
    }

    /// The value of the entry at an offset.
    #[inline]
    pub fn value(&self, at: u32) -> Option<&[u8]> {
        let (value_at, len) = self.value_span(at);
        self.region.bytes(value_at, len)
    }

    fn value_mut(&mut self, at: u32) -> Option<&mut [u8]> {
        let (value_at, len) = self.value_span(at);
        self.region.bytes_mut(value_at, len)
    }

    /// Key and value of the entry at an offset, if they lie within the arena.
    #[inline]
    pub fn key_value(&self, at: u32, entry: &EntryHeader) -> Option<(&[u8], &[u8])> {
        let bytes = self.region.bytes(
            at.wrapping_add(ENTRY_HEADER_BYTES),
            entry.key_len() + entry.value_len(),
        )?;
        bytes.split_at_checked(entry.key_len as usize)
    }

    /// Whether the entry at an offset has this key.
    #[inline]
    pub fn has_key(&self, at: u32, key: &[u8]) -> bool {
        self.region
            .entry_and_key(at, key.len())
            .is_some_and(|(entry, own)| usize::from(entry.key_len) == key.len() && equal(own, key))
    }

    /// Finds a key, promotes and counts.
    #[inline]
    pub fn look_up(&mut self, key: &[u8]) -> Option<u32> {
        let found = self.find(key, hash(key));
        let pool = &mut self.region.header_mut().pools[0];
        let Some(found) = found else {
            pool.misses = pool.misses.wrapping_add(1);
            return None;
        };
        pool.hits = pool.hits.wrapping_add(1);
        self.promote(found.get());
        Some(found.get())
    }

    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), InsertError> {
        let size = self.size_that_fits(key, value.len())?;
        let hash = hash(key);
        if let Some(found) = self.find(key, hash) {
            let at = found.get();
            let (_, held_len) = self.value_span(at);
            if block_bytes(key.len(), held_len as usize) == Some(size) {
                self.overwrite(at, value);
                self.keep_hash(at, hash);
                return Ok(());
            }
            self.drop_entry(at, hash);
        }
        let at = self.write(key, value.len(), size)?;
        if let Some(place) = self.value_mut(at) {
            place.copy_from_slice(value);
        }
        self.commit(at, hash)
    }

    /// Makes an entry whose value `load` writes. The key is not there.
    pub fn load(
        &mut self,
        key: &[u8],
        len: usize,
        load: impl FnOnce(&mut [u8]),
    ) -> Result<u32, InsertError> {
        let size = self.size_that_fits(key, len)?;
        let at = self.write(key, len, size)?;
        {
            let mut pending = Pending {
                store: self,
                at,
                done: false,
            };
            if let Some(place) = pending.store.value_mut(at) {
                place.fill(0);
                load(place);
            }
            pending.done = true;
        }
        self.commit(at, hash(key))?;
        Ok(at)
    }

    pub fn remove(&mut self, key: &[u8]) -> bool {
        let hash = hash(key);
        let Some(found) = self.find(key, hash) else {
            return false;
        };
        self.drop_entry(found.get(), hash);
        true
    }

    /// The size of an entry's block, if the arena, emptied and extended, can hold it.
    fn size_that_fits(&mut self, key: &[u8], value_bytes: usize) -> Result<u32, InsertError> {
        let key_bytes = key.len();
        let Some(size) = block_bytes(key_bytes, value_bytes) else {
            self.count_refusal();
            return Err(InsertError::TooLong {
                key_bytes,
                value_bytes,
            });
        };
        let short = size.saturating_sub(self.arena_bytes());
        if short > 0 && !(self.region.grow(short) && self.arena_bytes() >= size) {
            self.count_refusal();
            let available_bytes = self.arena_bytes();
            return Err(InsertError::TooLarge {
                key_bytes,
                value_bytes,
                needed_bytes: size,
                available_bytes,
            });
        }
        Ok(size)
    }

    /// Bytes for entries and free blocks.
    pub fn arena_bytes(&self) -> u32 {
        self.region.capacity() - self.region.geometry().arena_start
    }

    fn count_refusal(&mut self) {
        let header = self.region.header_mut();
        header.refused = header.refused.wrapping_add(1);
    }

    /// Makes room for an entry and writes its header and key. It is in neither index nor list yet.
    fn write(&mut self, key: &[u8], value_len: usize, size: u32) -> Result<u32, InsertError> {
        let block = self.reserve(size).ok_or(InsertError::Damaged)?;
        if let Some(entry) = self.region.entry_mut(block.at) {
            *entry = EntryHeader::new(key.len(), value_len, block.bytes.saturating_sub(size));
        }
        if let Some(place) = self
            .region
            .bytes_mut(block.at.wrapping_add(ENTRY_HEADER_BYTES), key.len() as u32)
        {
            place.copy_from_slice(key);
        }
        Ok(block.at)
    }

    /// Writes an entry's hash behind its value, where the key is long.
    fn keep_hash(&mut self, at: u32, hash: u64) {
        let hash_at = self.region.entry(at).and_then(|entry| entry.hash_offset());
        if let Some(place) =
            hash_at.and_then(|hash_at| self.region.bytes_mut(at.wrapping_add(hash_at), 8))
        {
            place.copy_from_slice(&hash.to_le_bytes());
        }
    }

    /// Takes a written entry into index and list.
    fn commit(&mut self, at: u32, hash: u64) -> Result<(), InsertError> {
        self.keep_hash(at, hash);
        if !self.place(at, hash) {
            return Err(InsertError::Damaged);
        }
        let bytes = self.region.entry(at).map_or(0, |entry| entry.block_bytes());
        let header = self.region.header_mut();
        header.inserts = header.inserts.wrapping_add(1);
        let pool = &mut header.pools[0];
        pool.entries = pool.entries.wrapping_add(1);
        pool.used_bytes = pool.used_bytes.wrapping_add(bytes);
        self.link_newest(at);
        if !self.grow_index() {
            return Err(InsertError::Damaged);
        }
        Ok(())
    }

    /// Writes a value over one whose block has the same size.
    fn overwrite(&mut self, at: u32, value: &[u8]) {
        if let Some(entry) = self.region.entry_mut(at) {
            entry.set_value_len(value.len() as u32);
        }
        if let Some(place) = self.value_mut(at) {
            place.copy_from_slice(value);
        }
        let header = self.region.header_mut();
        header.inserts = header.inserts.wrapping_add(1);
        self.promote(at);
    }

    /// Takes an entry out of index, list and accounts, and frees its block. If the index does not have it, or its block
    /// cannot be, the region is damaged: the cache starts over, and the answer is `None`. Otherwise the block's bytes.
    pub fn drop_entry(&mut self, at: u32, hash: u64) -> Option<u32> {
        let bytes = self.region.entry(at).map(|entry| entry.block_bytes());
        let (true, Some(bytes)) = (self.unplace(at, hash), bytes) else {
            self.start_over();
            return None;
        };
        self.unlink(at);
        let pool = &mut self.region.header_mut().pools[0];
        pool.entries = pool.entries.wrapping_sub(1);
        pool.used_bytes = pool.used_bytes.wrapping_sub(bytes);
        self.release(at, bytes);
        Some(bytes)
    }

    /// What is done when damage is found: all entries are forgotten.
    #[cold]
    pub fn start_over(&mut self) {
        self.region.empty();
        let header = self.region.header_mut();
        header.faults = header.faults.wrapping_add(1);
    }
}

/// An entry that is being loaded; its block is given back if the loader unwinds.
struct Pending<'a> {
    store: &'a mut Store,
    at: u32,
    done: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if let Some(bytes) = self
            .store
            .region
            .entry(self.at)
            .map(|entry| entry.block_bytes())
        {
            self.store.release(self.at, bytes);
        }
    }
}
