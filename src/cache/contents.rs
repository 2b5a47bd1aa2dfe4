//! The entries of a region: index, recency lists, free space and accounts, kept in step.
//!
//! Invariant: an entry is in the index, in its pool's list and in its pool's account, or in none of
//! them. What breaks it is damage from outside: then all entries are forgotten and the fault is
//! counted.

use core::num::NonZeroU32;

use super::free_list::{ArenaBlock, FreeList};
use super::index::{Home, Index, Placed};
use super::reading::Reading;
use super::recency::Recency;
use super::sweep::Sweep;
use crate::region::{ENTRY_HEADER_BYTES, EntryHeader, RegionView, Stats};

/// A part of the arena, which may not lie in it.
#[derive(Clone, Copy, Debug)]
pub struct ArenaRange {
    pub at: u32,
    pub len: u32,
}

/// A block whose entry is in neither index nor list any more.
#[derive(Clone, Copy, Debug)]
pub struct Detached {
    pub block: ArenaBlock,
    /// Whether the block before it is free.
    pub follows_free: bool,
}

/// The entries of a region.
#[derive(Debug)]
pub struct Contents {
    pub region: RegionView,
    pub reading: Reading,
}

impl Contents {
    #[inline]
    pub fn index(&self) -> Index<&RegionView> {
        Index(&self.region)
    }

    #[inline]
    pub fn index_mut(&mut self) -> Index<&mut RegionView> {
        Index(&mut self.region)
    }

    pub fn free_list(&self) -> FreeList<&RegionView> {
        FreeList(&self.region)
    }

    #[inline]
    pub fn free_list_mut(&mut self) -> FreeList<&mut RegionView> {
        FreeList(&mut self.region)
    }

    #[inline]
    fn recency_mut(&mut self) -> Recency<&mut RegionView> {
        Recency(&mut self.region)
    }

    /// Where an entry's value stands.
    #[inline]
    pub fn value_span(&self, at: u32) -> ArenaRange {
        let entry = self.region.entry(at);
        entry.map_or(ArenaRange { at: 0, len: 0 }, |entry| ArenaRange {
            at: at.wrapping_add(ENTRY_HEADER_BYTES + entry.key_len()),
            len: entry.value_len(),
        })
    }

    #[inline]
    pub fn bytes(&self, span: ArenaRange) -> Option<&[u8]> {
        self.region.bytes(span.at, span.len)
    }

    pub fn value_mut(&mut self, at: u32) -> Option<&mut [u8]> {
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

    /// Bytes for entries and free blocks.
    pub fn arena_bytes(&self) -> u32 {
        self.region.capacity() - self.region.geometry().arena_start
    }

    /// The same, once the region has grown as far as it may.
    pub fn max_arena_bytes(&self) -> u32 {
        self.region.geometry().limit - self.region.geometry().arena_start
    }

    /// Counters and sizes.
    pub fn stats(&self) -> Stats {
        let region = &self.region;
        Stats::of(region.header(), region.geometry(), region.capacity())
    }

    /// Whether there are no entries in any pool.
    pub fn is_empty(&self) -> bool {
        let mut pools = self.region.header().pools.iter();
        pools.all(|pool| pool.entries == 0)
    }

    /// Takes a written entry into index, list and account, as the newest of its pool.
    /// `entries_before` is how many there were before room was made for it: where none had to go,
    /// and the entry stands at home, there is time left to let the index grow. It grows also where
    /// an entry had to go because its buckets were full, and for nothing else: full buckets may be
    /// all that there are. `None` if damage was found; the cache has started over then.
    pub fn enter(
        &mut self,
        block: ArenaBlock,
        pool: usize,
        mut home: Home,
        entries_before: u32,
    ) -> Option<()> {
        let ArenaBlock { at, bytes } = block;
        let (slot, is_away, is_quick) = loop {
            match self.index_mut().place(at, home) {
                Placed::AtHome { slot } => break (slot, false, true),
                Placed::Instead { slot } => break (slot, false, false),
                Placed::Away { slot } => break (slot, true, false),
                Placed::Crowded { victim } => self.displace(Some(victim))?,
                Placed::Full { victim } => self.displace_and_split(victim, entries_before)?,
            }
            home = self.index().home(home.hash);
        };
        let standing = if is_away {
            self.index().away_from_home(home.hash)
        } else {
            self.index().at_home(home.hash)
        };
        let header = self.region.header_mut();
        header.inserts = header.inserts.wrapping_add(1);
        let account = header.pool_mut(pool);
        account.entries = account.entries.wrapping_add(1);
        account.used_bytes = account.used_bytes.wrapping_add(bytes);
        if let Some(entry) = self.recency_mut().push_newest(at, pool) {
            entry.set_standing(standing, slot);
        }
        self.look_back(at);
        let has_time = is_quick && self.region.header().indexed > entries_before;
        if has_time && self.index_mut().grow().is_none() {
            return self.give_up();
        }
        Some(())
    }

    /// Drops the victim of a key that would have no slot otherwise.
    #[cold]
    #[inline(never)]
    fn displace(&mut self, victim: Option<NonZeroU32>) -> Option<()> {
        let Some(victim) = victim else {
            return self.give_up();
        };
        self.drop_entry(victim.get())?;
        let header = self.region.header_mut();
        header.displaced = header.displaced.wrapping_add(1);
        Some(())
    }

    /// As [`displace`](Self::displace), for a key whose buckets are full. Where no other entry had
    /// to go, there is time left to let the index grow.
    #[cold]
    #[inline(never)]
    fn displace_and_split(
        &mut self,
        victim: Option<NonZeroU32>,
        entries_before: u32,
    ) -> Option<()> {
        let had_to_evict = self.region.header().indexed < entries_before;
        self.displace(victim)?;
        if !had_to_evict && self.index_mut().split_next().is_none() {
            return self.give_up();
        }
        Some(())
    }

    /// Makes an entry that was found the newest of its pool. No sweep is under way at it.
    #[inline]
    pub fn promote(&mut self, at: u32, pool: usize) {
        self.recency_mut().promote(at, pool);
    }

    /// Makes an entry that was written anew, in its place, the newest of its pool.
    pub fn renew(&mut self, at: u32, pool: usize) {
        let header = self.region.header_mut();
        header.inserts = header.inserts.wrapping_add(1);
        self.pass_over(at);
        self.promote(at, pool);
        self.look_back(at);
    }

    /// Takes an entry out of index, list and accounts, and tells what is to be released. If it has
    /// no place in the index, the region is damaged: the cache starts over, and the answer is
    /// `None`.
    pub fn detach(&mut self, at: u32) -> Option<Detached> {
        let entry = self.region.entry(at).copied();
        let Some(entry) = entry.filter(|entry| self.index_mut().unplace(at, entry)) else {
            return self.give_up();
        };
        self.pass_over(at);
        self.recency_mut().unlink(&entry);
        let bytes = entry.block_bytes();
        let pool = self.region.header_mut().pool_mut(entry.pool());
        pool.entries = pool.entries.wrapping_sub(1);
        pool.used_bytes = pool.used_bytes.wrapping_sub(bytes);
        Some(Detached {
            block: ArenaBlock { at, bytes },
            follows_free: entry.previous_free(),
        })
    }

    /// Drops an entry. `None` if damage was found; the cache has started over then.
    #[inline(never)]
    pub fn drop_entry(&mut self, at: u32) -> Option<()> {
        let gone = self.detach(at)?;
        self.release(gone);
        Some(())
    }

    /// Gives a detached entry's block back.
    pub fn release(&mut self, gone: Detached) {
        self.free_list_mut().release(gone.block, gone.follows_free);
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
        self.clear();
        let header = self.region.header_mut();
        header.faults = header.faults.wrapping_add(1);
    }

    /// Forgets all entries.
    pub fn clear(&mut self) {
        self.end_sweep();
        self.region.clear();
    }

    /// Whether a sweep that is not over yet will drop the entry at an offset.
    pub fn is_swept(&self, at: u32) -> bool {
        let sweep = self.reading.sweep();
        sweep.is_some_and(|sweep| {
            let entry = self.region.entry(at);
            entry.is_some_and(|entry| sweep.drops(entry))
        })
    }

    /// Whether the entry that an operation deals with is to be lost now. Each call draws anew.
    pub fn draws_loss(&mut self) -> bool {
        let forgetting = self.reading.forgetting_mut();
        forgetting.is_some_and(|forgetting| forgetting.happens())
    }

    /// Another entry that is to be lost now, but not the one at `kept`.
    pub fn lost_beside(&mut self, kept: u32) -> Option<NonZeroU32> {
        let forgetting = self.reading.forgetting_mut()?;
        forgetting.beside(&self.region, kept)
    }

    /// Moves a sweep on from an entry that is about to leave its place in the list.
    #[inline]
    pub fn pass_over(&mut self, at: u32) {
        if !self.reading.is_plain() {
            self.move_sweep(at, Sweep::pass_over);
        }
    }

    /// Has a sweep look at the newest entry of its pool, which was just written.
    #[inline]
    fn look_back(&mut self, at: u32) {
        if !self.reading.is_plain() {
            self.move_sweep(at, Sweep::look_back);
        }
    }

    #[cold]
    #[inline(never)]
    fn move_sweep(&mut self, at: u32, step: fn(&mut Sweep, u32, &EntryHeader)) {
        if let (Some(sweep), Some(entry)) = (self.reading.sweep_mut(), self.region.entry(at)) {
            step(sweep, at, entry);
        }
    }

    /// Notes a sweep that is not over yet, also for whoever takes over the image.
    pub fn begin_sweep(&mut self, sweep: Sweep) {
        self.reading.set_sweep(Some(sweep));
        self.region.header_mut().set_sweep(Some(sweep.height));
    }

    /// Forgets a sweep that is not over yet.
    pub fn end_sweep(&mut self) {
        if self.reading.sweep().is_some() {
            self.reading.set_sweep(None);
            self.region.header_mut().set_sweep(None);
        }
    }
}
