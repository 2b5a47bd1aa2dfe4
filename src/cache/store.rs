//! What the cache's parts work on: a formatted region, and the operations that put the parts together.

use core::num::NonZeroU32;

use super::error::InsertError;
use super::forget::Forgetting;
use super::invalidate::Sweep;
use super::scope::Scope;
use super::space::{Block, SLACK_BYTES};
use super::words::{copy, equal};
use crate::region::{ENTRY_HEADER_BYTES, EntryHeader, Formatted, Start, block_bytes};

/// A part of the arena, which may not lie in it.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub at: u32,
    pub len: u32,
}

/// A block whose entry is in neither index nor list any more.
#[derive(Clone, Copy, Debug)]
pub struct Detached {
    pub block: Block,
    /// Whether the block before it is free.
    pub follows_free: bool,
}

/// An enabled cache.
#[derive(Debug)]
pub struct Store {
    pub region: Formatted,
    pub reading: Reading,
    /// What inserts keep free below the frontier, so that blocks are found; see `evict`.
    pub reserved_bytes: u32,
}

/// What a lookup does besides finding an entry.
#[derive(Clone, Copy, Debug)]
pub enum Reading {
    /// Counts and promotes.
    Plain,
    /// Something else, for one reason or more.
    Careful(Care),
}

/// Why a lookup does not just count and promote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Care {
    /// Other instances read the same memory: it writes nothing.
    pub is_frozen: bool,
    /// An invalidation is not over yet: it drops what that will drop.
    pub sweep: Option<Sweep>,
    /// It drops what it found now and then.
    pub forgetting: Option<Forgetting>,
}

impl Store {
    pub fn new(region: Formatted) -> Store {
        Store {
            region,
            reading: Reading::Plain,
            reserved_bytes: 0,
        }
    }

    /// Goes on where the instance stopped that left the image.
    pub fn resume(&mut self, start: Start) {
        if start == Start::Shared {
            let is_frozen = true;
            self.set_care(Care {
                is_frozen,
                ..self.care()
            });
        }
        if let Some(height) = self.region.header().sweep_above() {
            self.resume_sweep(height);
        }
    }

    pub fn is_frozen(&self) -> bool {
        match &self.reading {
            Reading::Careful(care) => care.is_frozen,
            Reading::Plain => false,
        }
    }

    #[inline]
    pub fn is_plain(&self) -> bool {
        matches!(self.reading, Reading::Plain)
    }

    /// The reasons for care.
    pub fn care(&self) -> Care {
        match self.reading {
            Reading::Careful(care) => care,
            Reading::Plain => Care::default(),
        }
    }

    #[inline(never)]
    pub fn set_care(&mut self, care: Care) {
        let is_plain = !care.is_frozen && care.sweep.is_none() && care.forgetting.is_none();
        self.reading = match is_plain {
            true => Reading::Plain,
            false => Reading::Careful(care),
        };
    }

    /// Runs an operation that changes what the region holds. An image that is taken before it is over is torn.
    #[inline]
    pub fn change<R>(&mut self, operation: impl FnOnce(&mut Store) -> R) -> R {
        self.region.begin_change();
        let result = operation(self);
        self.region.end_change();
        result
    }

    /// Where an entry's value stands.
    #[inline]
    pub fn value_span(&self, at: u32) -> Span {
        let entry = self.region.entry(at);
        entry.map_or(Span { at: 0, len: 0 }, |entry| Span {
            at: at.wrapping_add(ENTRY_HEADER_BYTES + entry.key_len()),
            len: entry.value_len(),
        })
    }

    #[inline]
    pub fn bytes(&self, span: Span) -> Option<&[u8]> {
        self.region.bytes(span.at, span.len)
    }

    fn value_mut(&mut self, at: u32) -> Option<&mut [u8]> {
        let span = self.value_span(at);
        self.region.bytes_mut(span.at, span.len)
    }

    /// Key and value of the entry at an offset, if they lie within the arena.
    #[inline]
    pub fn key_value(&self, at: u32, entry: &EntryHeader) -> Option<(&[u8], &[u8])> {
        let bytes = self.region.bytes(
            at.wrapping_add(ENTRY_HEADER_BYTES),
            entry.key_len() + entry.value_len(),
        )?;
        bytes.split_at_checked(entry.key_len() as usize)
    }

    /// Whether the entry at an offset is this scope's and has this key, which is not too long for one.
    #[inline(always)]
    pub fn has_key(&self, at: u32, scope: Scope, key: &[u8]) -> bool {
        let key_len = key.len() as u32;
        match self.region.entry_and_key(at, key_len) {
            Some((entry, own)) => {
                entry.is_like(key_len, scope.number()) && scope.holds(entry) && equal(own, key)
            }
            None => false,
        }
    }

    /// Finds a key, promotes and counts. Where the value stands.
    #[inline]
    pub fn look_up(&mut self, scope: Scope, key: &[u8], hash: u64) -> Option<Span> {
        let mut found = self.find(scope, key, hash);
        if !self.is_plain() {
            let is_valid = found.is_none_or(|at| !self.is_invalid(at.get()));
            if self.is_frozen() && is_valid {
                return found.map(|at| self.value_span(at.get()));
            }
            found = found.and_then(|at| self.unless_gone(at));
        }
        let pool = self.region.header_mut().pool_mut(scope.number());
        let Some(at) = found else {
            pool.misses = pool.misses.wrapping_add(1);
            return None;
        };
        pool.hits = pool.hits.wrapping_add(1);
        let value = self.value_span(at.get());
        self.promote(at.get(), scope.number());
        Some(value)
    }

    /// The value of a key, without promotion or counting.
    pub fn peek(&self, scope: Scope, key: &[u8]) -> Option<&[u8]> {
        let at = self.find(scope, key, scope.hash(key))?.get();
        if self.is_invalid(at) {
            return None;
        }
        self.bytes(self.value_span(at))
    }

    /// As [`peek`](Self::peek) in the main scope, of an entry that was written at a height or before.
    #[cfg(feature = "metashrew")]
    pub fn peek_up_to(&self, key: &[u8], height: u32) -> Option<&[u8]> {
        let at = self.find(Scope::Main, key, Scope::Main.hash(key))?.get();
        let is_later = self
            .region
            .entry(at)
            .is_none_or(|entry| entry.height > height);
        if is_later || self.is_invalid(at) {
            return None;
        }
        self.bytes(self.value_span(at))
    }

    /// Stores a value. Where that is refused the key is not there either: an older value is none.
    pub fn insert(&mut self, scope: Scope, key: &[u8], value: &[u8]) -> Result<(), InsertError> {
        let size = match self.size_that_fits(scope, key, value.len()) {
            Ok(size) => size,
            Err(refused) => {
                self.remove(scope, key);
                return Err(refused);
            }
        };
        let hash = scope.hash(key);
        if let Some(at) = self.find(scope, key, hash).map(NonZeroU32::get) {
            let held = self.value_span(at);
            if block_bytes(key.len(), held.len as usize) == Some(size) {
                self.overwrite(scope, at, value);
                self.keep_hash(at, hash);
                self.lose_written(at);
                return Ok(());
            }
            self.drop_hashed(at, hash);
        }
        self.write_whole(scope, key, value, size, hash)
    }

    /// As [`insert`](Self::insert), of a key that has just been looked up in vain.
    pub fn insert_absent(
        &mut self,
        scope: Scope,
        key: &[u8],
        value: &[u8],
        hash: u64,
    ) -> Result<(), InsertError> {
        let size = self.size_that_fits(scope, key, value.len())?;
        self.write_whole(scope, key, value, size, hash)
    }

    fn write_whole(
        &mut self,
        scope: Scope,
        key: &[u8],
        value: &[u8],
        size: u32,
        hash: u64,
    ) -> Result<(), InsertError> {
        let held = self.region.header().indexed;
        let block = self.write(scope, key, value.len(), size)?;
        let value_at = block.at.wrapping_add(ENTRY_HEADER_BYTES + key.len() as u32);
        if let Some(place) = self.region.bytes_mut(value_at, value.len() as u32) {
            copy(place, value);
        }
        self.commit(block, scope.number(), hash, held)?;
        self.lose_written(block.at);
        Ok(())
    }

    /// Makes an entry whose value `load` writes, and tells where that stands. The key is not there.
    pub fn load(
        &mut self,
        scope: Scope,
        key: &[u8],
        len: usize,
        hash: u64,
        load: impl FnOnce(&mut [u8]),
    ) -> Result<Span, InsertError> {
        let size = self.size_that_fits(scope, key, len)?;
        let held = self.region.header().indexed;
        let block = self.write(scope, key, len, size)?;
        {
            let mut pending = Pending {
                store: self,
                block,
                done: false,
            };
            if let Some(place) = pending.store.value_mut(block.at) {
                place.fill(0);
                load(place);
            }
            pending.done = true;
        }
        self.commit(block, scope.number(), hash, held)?;
        Ok(self.value_span(block.at))
    }

    pub fn remove(&mut self, scope: Scope, key: &[u8]) -> bool {
        let hash = scope.hash(key);
        let Some(at) = self.find(scope, key, hash).map(NonZeroU32::get) else {
            return false;
        };
        let was_there = !self.is_invalid(at) && !self.is_forgotten();
        self.drop_hashed(at, hash);
        was_there
    }

    /// Forgets all entries.
    pub fn empty(&mut self) {
        self.end_sweep();
        self.reserved_bytes = 0;
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
            Scope::Main | Scope::Api => self.region.header().height,
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
        if short == 0 || self.region.grow(short) {
            self.region.look_ahead(size);
        }
        let fits_arena = size <= self.arena_bytes();
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

    /// The same, once the region has grown as far as it may.
    pub fn max_arena_bytes(&self) -> u32 {
        self.region.geometry().limit - self.region.geometry().arena_start
    }

    /// The largest block that a pool can have: a rest that stays with a block counts towards the quota.
    fn available_bytes(&self, pool: usize) -> u32 {
        let quota = self.quota(pool).unwrap_or(u32::MAX);
        quota.saturating_sub(SLACK_BYTES).min(self.arena_bytes())
    }

    /// What a pool's blocks may take together, if that is less than the arena may come to: it may grow while room is made.
    pub fn quota(&self, pool: usize) -> Option<u32> {
        let quota = self.region.header().pool(pool).quota_bytes;
        (quota < self.max_arena_bytes()).then_some(quota)
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
    ) -> Result<Block, InsertError> {
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
            copy(place, key);
        }
        Ok(block)
    }

    /// Writes an entry's hash behind its value, where the key is long.
    fn keep_hash(&mut self, at: u32, hash: u64) {
        let hash_at = self.region.entry(at).and_then(|entry| entry.hash_offset());
        if let Some(hash_at) = hash_at {
            if let Some(place) = self.region.bytes_mut(at.wrapping_add(hash_at), 8) {
                place.copy_from_slice(&hash.to_le_bytes());
            }
        }
    }

    /// Takes a written entry into index and list. `held` is how many entries there were before room was made for it: where
    /// none had to go, there is time left to let the index grow.
    fn commit(
        &mut self,
        block: Block,
        pool: usize,
        hash: u64,
        held: u32,
    ) -> Result<(), InsertError> {
        let Block { at, bytes } = block;
        self.keep_hash(at, hash);
        if !self.place(at, hash) {
            return Err(InsertError::Damaged);
        }
        let header = self.region.header_mut();
        header.inserts = header.inserts.wrapping_add(1);
        let account = header.pool_mut(pool);
        account.entries = account.entries.wrapping_add(1);
        account.used_bytes = account.used_bytes.wrapping_add(bytes);
        self.link_newest(at, pool);
        self.look_back(at);
        if self.region.header().indexed > held && !self.grow_index() {
            return Err(InsertError::Damaged);
        }
        Ok(())
    }

    /// Writes a value over one whose block has the same size.
    fn overwrite(&mut self, scope: Scope, at: u32, value: &[u8]) {
        let height = self.height_in(scope);
        if let Some(entry) = self.region.entry_mut(at) {
            entry.height = height;
            entry.set_value_len(value.len() as u32);
        }
        if let Some(place) = self.value_mut(at) {
            copy(place, value);
        }
        let header = self.region.header_mut();
        header.inserts = header.inserts.wrapping_add(1);
        self.pass_over(at);
        self.promote(at, scope.number());
        self.look_back(at);
    }

    /// Loses an entry that was just written, or another one, where the cache is forgetful.
    #[inline]
    fn lose_written(&mut self, at: u32) {
        if !self.is_plain() {
            self.lose_after_write(at);
        }
    }

    #[cold]
    #[inline(never)]
    fn lose_after_write(&mut self, at: u32) {
        if let Some(other) = self.forgotten_beside(at) {
            if self.drop_entry(other.get()).is_none() {
                return;
            }
        }
        if self.is_forgotten() {
            self.drop_entry(at);
        }
    }

    /// Takes an entry out of index, list and accounts, and tells what is to be released. If it has no place in the index, the region
    /// is damaged: the cache starts over, and the answer is `None`.
    pub fn detach(&mut self, at: u32) -> Option<Detached> {
        match self.hash_of(at) {
            Some(hash) => self.detach_hashed(at, hash),
            None => self.give_up(),
        }
    }

    /// As [`detach`](Self::detach), of an entry with this hash.
    fn detach_hashed(&mut self, at: u32, hash: u64) -> Option<Detached> {
        let entry = self.region.entry(at).copied();
        let Some(entry) = entry.filter(|_| self.unplace(at, hash)) else {
            return self.give_up();
        };
        self.unlink(at, &entry);
        let bytes = entry.block_bytes();
        let pool = self.region.header_mut().pool_mut(entry.pool());
        pool.entries = pool.entries.wrapping_sub(1);
        pool.used_bytes = pool.used_bytes.wrapping_sub(bytes);
        Some(Detached {
            block: Block { at, bytes },
            follows_free: entry.previous_free(),
        })
    }

    /// Drops an entry. `None` if damage was found; the cache has started over then.
    #[inline(never)]
    pub fn drop_entry(&mut self, at: u32) -> Option<()> {
        let gone = self.detach(at)?;
        self.release(gone.block, gone.follows_free);
        Some(())
    }

    /// As [`drop_entry`](Self::drop_entry), of an entry with this hash.
    fn drop_hashed(&mut self, at: u32, hash: u64) -> Option<()> {
        let gone = self.detach_hashed(at, hash)?;
        self.release(gone.block, gone.follows_free);
        Some(())
    }

    /// Starts over, and has nothing to answer.
    #[cold]
    pub fn give_up<T>(&mut self) -> Option<T> {
        self.start_over();
        None
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
    block: Block,
    done: bool,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let entry = self.store.region.entry(self.block.at);
        let follows_free = entry.is_some_and(|entry| entry.previous_free());
        self.store.release(self.block, follows_free);
    }
}
