//! The cache's operations on keys and values, put together from its parts.

use core::num::NonZeroU32;

use super::bytes::copy;
use super::contents::{ArenaRange, Contents};
use super::error::InsertError;
use super::evict::{self, Evictor};
use super::forget::Forgetting;
use super::free_list::ArenaBlock;
use super::index::Home;
use super::invalidate::{self, Invalidated};
use super::reading::{Care, Reading};
use super::scope::{Pool, Scope};
use crate::region::{EntryHeader, RegionView, SLACK_BYTES, Start, block_bytes};

/// An enabled cache.
#[derive(Debug)]
pub struct Store {
    contents: Contents,
    evictor: Evictor,
}

impl Store {
    pub fn new(region: RegionView) -> Store {
        Store {
            contents: Contents {
                region,
                reading: Reading::Plain,
            },
            evictor: Evictor::default(),
        }
    }

    /// Goes on where the instance stopped that left the image.
    pub fn resume(&mut self, start: Start) {
        if start == Start::Shared {
            let is_read_only = true;
            let reading = &mut self.contents.reading;
            reading.set(Care {
                is_read_only,
                ..reading.care()
            });
        }
        if start == Start::Walked {
            // The walk cannot tell whether they are too low.
            self.change(|store| store.contents.index_mut().count_away());
        }
        invalidate::resume(&mut self.contents);
    }

    /// Loses entries from now on, as a seed says. A seed of 0 changes nothing, and neither does any
    /// in a read-only cache.
    pub fn forget_by(&mut self, seed: u32) {
        if let Some(forgetting) = Forgetting::seeded(seed) {
            if !self.is_read_only() {
                let reading = &mut self.contents.reading;
                reading.set(Care {
                    forgetting: Some(forgetting),
                    ..reading.care()
                });
            }
        }
    }

    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    #[inline]
    pub fn region(&self) -> &RegionView {
        &self.contents.region
    }

    #[inline]
    pub fn region_mut(&mut self) -> &mut RegionView {
        &mut self.contents.region
    }

    pub fn into_region(self) -> RegionView {
        self.contents.region
    }

    pub fn is_read_only(&self) -> bool {
        self.contents.reading.is_read_only()
    }

    /// Runs an operation that changes what the region holds. An image that is taken before it is
    /// over is torn.
    #[inline]
    pub fn change<R>(&mut self, operation: impl FnOnce(&mut Store) -> R) -> R {
        self.region_mut().begin_change();
        let result = operation(self);
        self.region_mut().end_change();
        result
    }

    #[inline]
    pub fn bytes(&self, span: ArenaRange) -> Option<&[u8]> {
        self.contents.bytes(span)
    }

    #[inline(always)]
    fn find(&self, scope: Scope, key: &[u8], hash: u64) -> Option<NonZeroU32> {
        let index = self.contents.index();
        index.find(scope, key, &mut index.home(hash))
    }

    /// Where a key with this hash stands, or is to stand.
    #[inline]
    pub fn home(&self, hash: u64) -> Home {
        self.contents.index().home(hash)
    }

    /// Finds a key, promotes and counts. Where the value stands.
    #[inline]
    pub fn look_up(&mut self, scope: Scope, key: &[u8], home: &mut Home) -> Option<ArenaRange> {
        let mut found = self.contents.index().find(scope, key, home);
        if !self.contents.reading.is_plain() {
            let faults = self.region().header().faults;
            if found.is_some_and(|at| self.is_gone(at.get())) {
                found = None;
                if self.region().header().faults != faults {
                    // Damage was found, and the index begins anew.
                    *home = self.home(home.hash);
                }
            }
            if self.is_read_only() {
                return found.map(|at| self.contents.value_span(at.get()));
            }
        }
        let pool = self.region_mut().header_mut().pool_mut(scope.number());
        let Some(at) = found else {
            pool.misses = pool.misses.wrapping_add(1);
            return None;
        };
        pool.hits = pool.hits.wrapping_add(1);
        let value = self.contents.value_span(at.get());
        self.contents.promote(at.get(), scope.number());
        Some(value)
    }

    /// Whether an entry that was found in a cache that is not plain is no more: dropped if it is
    /// invalid or forgotten, else passed over by the sweep.
    #[cold]
    #[inline(never)]
    fn is_gone(&mut self, at: u32) -> bool {
        let is_swept = self.contents.is_swept(at);
        if self.is_read_only() {
            return is_swept;
        }
        if is_swept || self.contents.draws_loss() {
            self.change(|store| store.contents.drop_entry(at));
            return true;
        }
        if let Some(other) = self.contents.lost_beside(at) {
            let dropped = self.change(|store| store.contents.drop_entry(other.get()));
            if dropped.is_none() {
                return true;
            }
        }
        self.contents.pass_over(at);
        false
    }

    /// The value of a key, without promotion or counting.
    pub fn peek(&self, scope: Scope, key: &[u8]) -> Option<&[u8]> {
        let at = self.find(scope, key, scope.hash(key))?.get();
        if self.contents.is_swept(at) {
            return None;
        }
        self.bytes(self.contents.value_span(at))
    }

    /// As [`peek`](Self::peek) in the main scope, of an entry that was written at a height or
    /// before.
    #[cfg(feature = "metashrew")]
    pub fn peek_up_to(&self, key: &[u8], height: u32) -> Option<&[u8]> {
        let at = self.find(Scope::Main, key, Scope::Main.hash(key))?.get();
        let entry = self.region().entry(at);
        let is_later = entry.is_none_or(|entry| entry.height > height);
        if is_later || self.contents.is_swept(at) {
            return None;
        }
        self.bytes(self.contents.value_span(at))
    }

    /// Stores a value. Where that is refused the key is not there either: an older value is none.
    pub fn insert(
        &mut self,
        scope: Scope,
        key: &[u8],
        value: &[u8],
        hash: u64,
    ) -> Result<(), InsertError> {
        let size = match self.size_that_fits(scope, key, value.len()) {
            Ok(size) => size,
            Err(refused) => {
                self.remove(scope, key, hash);
                return Err(refused);
            }
        };
        let index = self.contents.index();
        let mut home = index.home(hash);
        if let Some(at) = index.find(scope, key, &mut home).map(NonZeroU32::get) {
            let held = self.contents.value_span(at);
            if block_bytes(key.len(), held.len as usize) == Some(size) {
                self.overwrite(scope, at, value);
                self.lose_written(at);
                return Ok(());
            }
            let dropped = self.contents.drop_entry(at);
            dropped.ok_or(InsertError::Damaged)?;
        }
        self.write_whole(scope, key, value, size, home)
    }

    /// As [`insert`](Self::insert), of a key that has just been looked up in vain.
    pub fn insert_absent(
        &mut self,
        scope: Scope,
        key: &[u8],
        value: &[u8],
        home: Home,
    ) -> Result<(), InsertError> {
        let size = self.size_that_fits(scope, key, value.len())?;
        self.drop_unseen(scope, key, home.hash)?;
        self.write_whole(scope, key, value, size, home)
    }

    fn write_whole(
        &mut self,
        scope: Scope,
        key: &[u8],
        value: &[u8],
        size: u32,
        home: Home,
    ) -> Result<(), InsertError> {
        let entries_before = self.region().header().indexed;
        let block = self.write(scope, key, value, value.len(), size)?;
        self.enter(block, scope, home, entries_before)?;
        self.lose_written(block.at);
        Ok(())
    }

    /// Makes an entry whose value `load` writes, and tells where that stands. The key has just been
    /// looked up in vain.
    pub fn load(
        &mut self,
        scope: Scope,
        key: &[u8],
        len: usize,
        home: Home,
        load: impl FnOnce(&mut [u8]),
    ) -> Result<ArenaRange, InsertError> {
        let size = self.size_that_fits(scope, key, len)?;
        self.drop_unseen(scope, key, home.hash)?;
        let entries_before = self.region().header().indexed;
        let block = self.write(scope, key, &[], len, size)?;
        {
            let mut loading = Loading {
                contents: &mut self.contents,
                block,
                done: false,
            };
            if let Some(place) = loading.contents.value_mut(block.at) {
                place.fill(0);
                load(place);
            }
            loading.done = true;
        }
        self.enter(block, scope, home, entries_before)?;
        Ok(self.contents.value_span(block.at))
    }

    pub fn remove(&mut self, scope: Scope, key: &[u8], hash: u64) -> bool {
        let Some(at) = self.find(scope, key, hash) else {
            return false;
        };
        let was_there = !self.contents.is_swept(at.get()) && !self.contents.draws_loss();
        self.contents.drop_entry(at.get());
        was_there
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.evictor.clear();
        self.contents.clear();
    }

    /// Evicts a pool's oldest entries, at most `steps` of them, until those left take at most
    /// `bytes`.
    pub fn evict_to(&mut self, pool: Pool, bytes: usize, steps: usize) -> usize {
        evict::evict_to(&mut self.contents, pool.number(), bytes, steps)
    }

    /// Drops entries from above a height, a few steps far.
    pub fn invalidate_above(&mut self, height: u32, steps: usize) -> Invalidated {
        invalidate::invalidate_above(&mut self.contents, height, steps)
    }

    /// As [`invalidate_above`](Self::invalidate_above), to the end.
    pub fn invalidate_all_above(&mut self, height: u32) -> usize {
        invalidate::invalidate_all_above(&mut self.contents, height)
    }

    /// The height that an entry written now has.
    fn height_in(&self, scope: Scope) -> u32 {
        match scope {
            Scope::View(height) => height,
            Scope::Main | Scope::Application => self.region().header().height,
        }
    }

    /// The size of an entry's block, if its pool and the arena, emptied and extended, can hold it.
    #[inline(always)]
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
        let arena = self.contents.arena_bytes();
        if size <= arena || self.region_mut().grow(size - arena) {
            self.region_mut().look_ahead(size);
        }
        let available_bytes = self.available_bytes(scope.number());
        if size > available_bytes {
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

    /// The largest block that a pool can have: a rest that stays with a block counts towards the
    /// quota.
    fn available_bytes(&self, pool: usize) -> u32 {
        let arena = self.contents.arena_bytes();
        let quota = evict::quota(&self.contents, pool);
        quota.map_or(arena, |quota| quota.saturating_sub(SLACK_BYTES).min(arena))
    }

    fn count_refusal(&mut self) {
        let header = self.region_mut().header_mut();
        header.refused = header.refused.wrapping_add(1);
    }

    /// Makes room for an entry and writes its header and key, and its value as far as it is known.
    /// It is in neither index nor list yet.
    fn write(
        &mut self,
        scope: Scope,
        key: &[u8],
        value: &[u8],
        value_len: usize,
        size: u32,
    ) -> Result<ArenaBlock, InsertError> {
        let pool = scope.number();
        let height = self.height_in(scope);
        let block = self.evictor.make_room(&mut self.contents, size, pool);
        let block = block.ok_or(InsertError::Damaged)?;
        let slack = block.bytes.saturating_sub(size);
        let len = (key.len() + value_len) as u32;
        let place = self.region_mut().entry_and_bytes_mut(block.at, len);
        let Some((entry, bytes)) = place else {
            // A block that reaches out of the arena.
            self.contents.start_over();
            return Err(InsertError::Damaged);
        };
        *entry = EntryHeader::new(key.len(), value_len, slack, pool, height);
        if let Some((key_place, value_place)) = bytes.split_at_mut_checked(key.len()) {
            copy(key_place, key);
            copy(value_place, value);
        }
        Ok(block)
    }

    fn enter(
        &mut self,
        block: ArenaBlock,
        scope: Scope,
        home: Home,
        entries_before: u32,
    ) -> Result<(), InsertError> {
        let entered = self
            .contents
            .enter(block, scope.number(), home, entries_before);
        entered.ok_or(InsertError::Damaged)
    }

    /// Writes a value over one whose block has the same size.
    fn overwrite(&mut self, scope: Scope, at: u32, value: &[u8]) {
        let height = self.height_in(scope);
        if let Some(entry) = self.region_mut().entry_mut(at) {
            entry.height = height;
            entry.set_value_len(value.len() as u32);
        }
        if let Some(place) = self.contents.value_mut(at) {
            copy(place, value);
        }
        self.contents.renew(at, scope.number());
    }

    /// Drops the entry of a key that was looked up in vain: one that is swept stays in a read-only
    /// cache until something is written in its place.
    #[inline]
    fn drop_unseen(&mut self, scope: Scope, key: &[u8], hash: u64) -> Result<(), InsertError> {
        if self.is_read_only() {
            if let Some(at) = self.find(scope, key, hash) {
                let dropped = self.contents.drop_entry(at.get());
                return dropped.ok_or(InsertError::Damaged);
            }
        }
        Ok(())
    }

    /// Loses an entry that was just written, or another one, where the cache is forgetful.
    #[inline]
    fn lose_written(&mut self, at: u32) {
        if !self.contents.reading.is_plain() {
            self.lose_after_write(at);
        }
    }

    #[cold]
    #[inline(never)]
    fn lose_after_write(&mut self, at: u32) {
        if let Some(other) = self.contents.lost_beside(at) {
            if self.contents.drop_entry(other.get()).is_none() {
                return;
            }
        }
        if self.contents.draws_loss() {
            self.contents.drop_entry(at);
        }
    }
}

/// An entry that is being loaded. Its block is given back if the loader unwinds.
struct Loading<'a> {
    contents: &'a mut Contents,
    block: ArenaBlock,
    done: bool,
}

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let entry = self.contents.region.entry(self.block.at);
        let follows_free = entry.is_some_and(|entry| entry.previous_free());
        let free_list = self.contents.free_list_mut();
        free_list.release(self.block, follows_free);
    }
}
