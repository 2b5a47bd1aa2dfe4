//! What the cache's parts work on: a formatted region, and the operations that put the parts together.

use super::error::InsertError;
use super::invalidate::Sweep;
use super::scope::Scope;
use super::space::SLACK_BYTES;
use crate::region::{ENTRY_HEADER_BYTES, EntryHeader, Formatted, block_bytes};

/// An enabled cache.
#[derive(Debug)]
pub struct Store {
    pub region: Formatted,
    /// The height that entries of the main and API pools are written at.
    pub height: u32,
    /// An invalidation that is not over yet.
    pub sweep: Option<Sweep>,
}

/// Where an entry and its value stand.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub at: u32,
    pub value_at: u32,
    pub value_len: u32,
}

impl Found {
    fn new(at: u32, key_len: usize, value_len: u32) -> Found {
        Found {
            at,
            value_at: at
                .wrapping_add(ENTRY_HEADER_BYTES)
                .wrapping_add(key_len as u32),
            value_len,
        }
    }
}

impl Store {
    pub fn new(region: Formatted) -> Store {
        Store {
            region,
            height: 0,
            sweep: None,
        }
    }

    /// A value where a lookup has found it.
    #[inline]
    pub fn value(&self, found: Found) -> Option<&[u8]> {
        self.region.bytes(found.value_at, found.value_len)
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

    /// The entry at an offset, if it is this scope's and has this key.
    #[inline]
    pub fn entry_with_key(&self, at: u32, scope: Scope, key: &[u8]) -> Option<Found> {
        let entry = self.region.entry(at)?;
        if usize::from(entry.key_len) != key.len() || !scope.holds(entry) {
            return None;
        }
        let (own, _) = self.key_value(at, entry)?;
        super::words::equal(own, key).then(|| Found::new(at, key.len(), entry.value_len()))
    }

    /// Finds a key, promotes and counts.
    #[inline]
    pub fn look_up(&mut self, scope: Scope, key: &[u8]) -> Option<Found> {
        let mut found = self.find(scope, key, scope.hash(key));
        if self.sweep.is_some() {
            found = found.and_then(|found| self.unless_invalid(found));
        }
        let pool = self.region.header_mut().pool_mut(scope.number());
        match found {
            Some(found) => {
                pool.hits = pool.hits.wrapping_add(1);
                self.promote(found.at, scope.number());
            }
            None => pool.misses = pool.misses.wrapping_add(1),
        }
        found
    }

    /// The value of a key, without promotion or counting.
    pub fn peek(&self, scope: Scope, key: &[u8]) -> Option<&[u8]> {
        let found = self.find(scope, key, scope.hash(key))?;
        if self.is_invalid(found.at) {
            return None;
        }
        self.value(found)
    }

    pub fn insert(&mut self, scope: Scope, key: &[u8], value: &[u8]) -> Result<(), InsertError> {
        let size = self.size_that_fits(scope, key, value.len())?;
        let hash = scope.hash(key);
        if let Some(found) = self.find(scope, key, hash) {
            if block_bytes(key.len(), found.value_len as usize) == Some(size) {
                self.overwrite(scope, found, value);
                return Ok(());
            }
            self.drop_entry(found.at, hash);
        }
        let found = self.write(scope, key, value.len(), size)?;
        if let Some(place) = self.region.bytes_mut(found.value_at, found.value_len) {
            place.copy_from_slice(value);
        }
        self.commit(found.at, hash)
    }

    /// Makes an entry whose value `load` writes. The key is not there.
    pub fn load(
        &mut self,
        scope: Scope,
        key: &[u8],
        len: usize,
        load: impl FnOnce(&mut [u8]),
    ) -> Result<Found, InsertError> {
        let size = self.size_that_fits(scope, key, len)?;
        let found = self.write(scope, key, len, size)?;
        {
            let mut pending = Pending {
                store: self,
                at: found.at,
                done: false,
            };
            if let Some(place) = pending
                .store
                .region
                .bytes_mut(found.value_at, found.value_len)
            {
                place.fill(0);
                load(place);
            }
            pending.done = true;
        }
        self.commit(found.at, scope.hash(key))?;
        Ok(found)
    }

    pub fn remove(&mut self, scope: Scope, key: &[u8]) -> bool {
        let hash = scope.hash(key);
        let Some(found) = self.find(scope, key, hash) else {
            return false;
        };
        let was_there = !self.is_invalid(found.at);
        self.drop_entry(found.at, hash);
        was_there
    }

    /// Forgets all entries.
    pub fn empty(&mut self) {
        self.sweep = None;
        self.region.empty();
    }

    /// Whether there are no entries in any pool.
    pub fn is_empty(&self) -> bool {
        let mut pools = self.region.header().pools.iter();
        pools.all(|pool| pool.entries == 0)
    }

    /// The height that an entry written now has.
    fn height_in(&self, scope: Scope) -> u32 {
        match scope {
            Scope::View(height) => height,
            Scope::Main | Scope::Api => self.height,
        }
    }

    /// The size of an entry's block, if its pool and the arena, emptied and extended, can hold it.
    fn size_that_fits(
        &mut self,
        scope: Scope,
        key: &[u8],
        value_bytes: usize,
    ) -> Result<u32, InsertError> {
        let key_bytes = key.len();
        let Some(size) = block_bytes(key_bytes, value_bytes) else {
            self.count_refusal();
            return Err(InsertError::TooLong {
                key_bytes,
                value_bytes,
            });
        };
        let short = size.saturating_sub(self.arena_bytes());
        let fits_arena = short == 0 || (self.region.grow(short) && self.arena_bytes() >= size);
        let available_bytes = self.available_bytes(scope.number());
        if !fits_arena || size > available_bytes {
            self.count_refusal();
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

    /// The largest block that a pool can have: a rest that stays with a block counts towards the quota.
    fn available_bytes(&self, pool: usize) -> u32 {
        match self.quota(pool) {
            Some(quota) => quota.saturating_sub(SLACK_BYTES),
            None => self.arena_bytes(),
        }
    }

    /// What a pool's blocks may take together, if that is less than the arena.
    pub fn quota(&self, pool: usize) -> Option<u32> {
        let quota = self.region.header().pool(pool).quota_bytes;
        (quota < self.arena_bytes()).then_some(quota)
    }

    fn count_refusal(&mut self) {
        let header = self.region.header_mut();
        header.refused = header.refused.wrapping_add(1);
    }

    /// Makes room for an entry and writes its header and key. It is in neither index nor list yet.
    fn write(
        &mut self,
        scope: Scope,
        key: &[u8],
        value_len: usize,
        size: u32,
    ) -> Result<Found, InsertError> {
        let pool = scope.number();
        let height = self.height_in(scope);
        let block = self.reserve(size, pool).ok_or(InsertError::Damaged)?;
        let slack = block.bytes.saturating_sub(size);
        if let Some(entry) = self.region.entry_mut(block.at) {
            *entry = EntryHeader::new(key.len(), value_len, slack, pool, height);
        }
        if let Some(place) = self
            .region
            .bytes_mut(block.at.wrapping_add(ENTRY_HEADER_BYTES), key.len() as u32)
        {
            place.copy_from_slice(key);
        }
        Ok(Found::new(block.at, key.len(), value_len as u32))
    }

    /// Takes a written entry into index and list.
    fn commit(&mut self, at: u32, hash: u64) -> Result<(), InsertError> {
        if !self.place(at, hash) {
            return Err(InsertError::Damaged);
        }
        let entry = self.region.entry(at);
        let (bytes, number) = entry.map_or((0, 0), |entry| (entry.block_bytes(), entry.pool()));
        let header = self.region.header_mut();
        header.inserts = header.inserts.wrapping_add(1);
        let pool = header.pool_mut(number);
        pool.entries = pool.entries.wrapping_add(1);
        pool.used_bytes = pool.used_bytes.wrapping_add(bytes);
        self.link_newest(at, number);
        Ok(())
    }

    /// Writes a value over one whose block has the same size.
    fn overwrite(&mut self, scope: Scope, found: Found, value: &[u8]) {
        let height = self.height_in(scope);
        if let Some(entry) = self.region.entry_mut(found.at) {
            entry.height = height;
            entry.set_value_len(value.len() as u32);
        }
        if let Some(place) = self.region.bytes_mut(found.value_at, value.len() as u32) {
            place.copy_from_slice(value);
        }
        let header = self.region.header_mut();
        header.inserts = header.inserts.wrapping_add(1);
        self.promote(found.at, scope.number());
    }

    /// Takes an entry out of index, list and accounts, and frees its block. If the index does not have it, or its block
    /// cannot be, the region is damaged: the cache starts over, and the answer is `None`. Otherwise the block's bytes.
    pub fn drop_entry(&mut self, at: u32, hash: u64) -> Option<u32> {
        let entry = self.region.entry(at);
        let sizes = entry.map(|entry| (entry.block_bytes(), entry.pool()));
        let (true, Some((bytes, number))) = (self.unplace(at, hash), sizes) else {
            self.start_over();
            return None;
        };
        self.unlink(at, number);
        let pool = self.region.header_mut().pool_mut(number);
        pool.entries = pool.entries.wrapping_sub(1);
        pool.used_bytes = pool.used_bytes.wrapping_sub(bytes);
        self.release(at, bytes);
        Some(bytes)
    }

    /// What is done when damage is found: all entries are forgotten.
    #[cold]
    pub fn start_over(&mut self) {
        self.empty();
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
