//! Free space: coalescing blocks in bins by size, and a frontier above which nothing has been used
//! yet.
//!
//! A free block says its size in its first and in its last word, with bit 0 set. The entry behind
//! it knows that the block before it is free.
//!
//! Invariants: two free blocks never stand side by side, and none stands at the frontier. Free
//! blocks of less than an entry's header are in no bin: they wait for a neighbour to become free.
//! Nor is the rest of the last evicted block that was cut, which the header names: where entries go
//! in the order in which they stand, the next one is joined with it. Each other free block is in
//! the bin of its size. The header counts the bytes of all free blocks. Beside the region a size is
//! noted that every free block is smaller than, so a search that would find none is spared.

use super::invalid::CacheError;
use crate::region::{
    BINS, ENTRY_HEADER_BYTES, FreeHeader, LEAST_FREE_BYTES, LINEAR_BIN_BYTES, RegionView,
    SLACK_BYTES,
};

/// A block of the arena. One that was taken has what was asked for, or up to `SLACK_BYTES` more.
#[derive(Clone, Copy, Debug)]
pub struct ArenaBlock {
    pub at: u32,
    pub bytes: u32,
}

impl ArenaBlock {
    #[inline]
    pub fn end(self) -> u32 {
        self.at.wrapping_add(self.bytes)
    }
}

/// The bin of a free block: one for every four bytes of size, then eight for every power of two.
fn bin_of(bytes: u32) -> usize {
    if bytes < LINEAR_BIN_BYTES {
        return (bytes / 4) as usize;
    }
    let power = bytes.ilog2();
    let eighth = (bytes >> (power - 3)) & 7;
    (LINEAR_BIN_BYTES / 4 + (power - LINEAR_BIN_BYTES.ilog2()) * 8 + eighth) as usize
}

/// Whether a free block is large enough to be in a bin.
fn is_binned(bytes: u32) -> bool {
    bytes >= ENTRY_HEADER_BYTES
}

/// The free space of a region, to be read or to be written.
#[derive(Clone, Copy)]
pub struct FreeList<R>(pub R);

impl FreeList<&RegionView> {
    /// The size in the last word of the free block that ends at an offset.
    pub fn size_before(self, end: u32) -> u32 {
        FreeHeader::bytes_of(self.0.word(end.wrapping_sub(4)))
    }

    /// The first free block of a bin.
    fn first_of(self, bin: usize) -> Option<u32> {
        let header = self.0.header();
        let is_set = header.bin_map.get(bin / 32)? & (1 << (bin % 32)) != 0;
        is_set.then(|| header.bins.get(bin).copied())?
    }

    /// The first bin from this one on that is not empty.
    fn next_bin(self, from: usize) -> Option<usize> {
        let header = self.0.header();
        let word = from / 32;
        let here = header.bin_map.get(word)? & (u32::MAX << (from % 32));
        if here != 0 {
            return Some(word * 32 + here.trailing_zeros() as usize);
        }
        let above = header.bin_summary & u32::MAX.checked_shl(word as u32 + 1)?;
        let word = above.trailing_zeros() as usize;
        let bits = header.bin_map.get(word)?;
        Some(word * 32 + bits.trailing_zeros() as usize)
    }

    /// The size of the free block at an offset that follows a block in use, if it is well formed;
    /// `None` where an entry stands.
    pub fn check_block(self, at: u32) -> Option<Result<u32, CacheError>> {
        let bytes = self.0.free(at)?.bytes();
        let end = at.wrapping_add(bytes);
        let is_sound = bytes >= LEAST_FREE_BYTES
            && end < self.0.header().frontier
            && self.size_before(end) == bytes;
        Some(
            is_sound
                .then_some(bytes)
                .ok_or(CacheError::FreeBlock { at }),
        )
    }

    /// Walks every bin. Together they hold the arena's free blocks that are large enough, which a
    /// walk over the arena has found to have these sizes.
    pub fn validate(self, sizes: &FreeSizes) -> Result<(), CacheError> {
        let header = self.0.header();
        let mut walked = 0;
        let at = header.rest;
        if at != 0 {
            let bytes = self.check_block(at).ok_or(CacheError::FreeBlock { at })??;
            walked += u32::from(is_binned(bytes));
        }
        for bin in 0..BINS {
            let (mut at, mut previous) = (self.first_of(bin).unwrap_or(0), 0);
            if self.first_of(bin) == Some(0) {
                return Err(CacheError::Bin { bin, at });
            }
            while at != 0 && walked <= sizes.binned {
                let free = self.0.free(at);
                let sound = free.filter(|free| {
                    let bytes = free.bytes();
                    let is_linked = at < header.frontier && free.previous == previous;
                    is_linked && is_binned(bytes) && bin_of(bytes) == bin
                });
                let free = sound.ok_or(CacheError::Bin { bin, at })?;
                walked += 1;
                (previous, at) = (at, free.next);
            }
        }
        for (number, word) in header.bin_map.iter().enumerate() {
            if (*word != 0) != (header.bin_summary & (1 << number) != 0) {
                let bin = number * 32;
                return Err(CacheError::Bin { bin, at: 0 });
            }
        }
        CacheError::unless_equal("free blocks in bins", sizes.binned, walked)?;
        CacheError::unless_equal("free bytes", header.free_bytes, sizes.bytes)
    }
}

/// What a walk over the arena finds of free blocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct FreeSizes {
    bytes: u32,
    binned: u32,
}

impl FreeSizes {
    /// Counts a block of this size.
    pub fn add(&mut self, bytes: u32) {
        self.bytes = self.bytes.wrapping_add(bytes);
        self.binned += u32::from(is_binned(bytes));
    }
}

impl FreeList<&mut RegionView> {
    #[inline]
    fn read(&self) -> FreeList<&RegionView> {
        FreeList(&*self.0)
    }

    /// The same for one call more. Methods take the list by value, so that the compiler sees that
    /// nobody else writes to the region meanwhile.
    #[inline]
    fn again(&mut self) -> FreeList<&mut RegionView> {
        FreeList(&mut *self.0)
    }

    /// Takes a block from the free ones or from the frontier.
    #[inline]
    pub fn take(mut self, bytes: u32) -> Option<ArenaBlock> {
        if bytes < self.0.free_bound() {
            if let Some(block) = self.again().take_free(bytes) {
                return Some(block);
            }
        }
        self.again().take_frontier(bytes)
    }

    /// Takes a block from the frontier.
    #[inline]
    pub fn take_frontier(self, bytes: u32) -> Option<ArenaBlock> {
        let capacity = self.0.capacity();
        let header = self.0.header_mut();
        let at = header.frontier;
        if capacity.checked_sub(at)? < bytes {
            return None;
        }
        header.frontier += bytes;
        Some(ArenaBlock { at, bytes })
    }

    /// Takes a free block: the first of its own bin if that is large enough, else the first of the
    /// next bin that is not empty, which is. Where there is none, what an eviction left over.
    ///
    /// Where that is too small too and the own bin is empty, all free blocks are smaller.
    #[inline(always)]
    fn take_free(mut self, bytes: u32) -> Option<ArenaBlock> {
        let own = bin_of(bytes);
        let list = self.read();
        let fitting = |at| {
            let free = list.0.free(at)?;
            (free.bytes() >= bytes).then_some((at, free))
        };
        let first = list.first_of(own);
        let found = first.and_then(fitting).or_else(|| {
            let next = list.next_bin(own + 1).and_then(|bin| list.first_of(bin));
            fitting(next.unwrap_or(list.0.header().rest))
        });
        let Some((at, free)) = found else {
            if first.is_none() {
                self.0.bound_free(bytes);
            }
            return None;
        };
        let block = self.again().unlink(at, free);
        Some(self.again().split(block, bytes))
    }

    /// Cuts what is asked for off a free block that is in no bin. The rest becomes a free block if
    /// it can be one.
    pub fn split(mut self, block: ArenaBlock, bytes: u32) -> ArenaBlock {
        let (taken, rest) = self.again().cut(block, bytes);
        if let Some(rest) = rest {
            self.again().mark(rest);
            self.bin(rest);
        }
        taken
    }

    /// As [`split`](Self::split) of an evicted block: the rest is in no bin, and the one before it
    /// comes into its own.
    pub fn split_evicted(mut self, block: ArenaBlock, bytes: u32) -> ArenaBlock {
        let (taken, rest) = self.again().cut(block, bytes);
        if let Some(rest) = rest {
            let last = core::mem::replace(&mut self.0.header_mut().rest, rest.at);
            self.again().mark(rest);
            if last != 0 {
                let bytes = self.0.free(last).map_or(0, |free| free.bytes());
                self.bin(ArenaBlock { at: last, bytes });
            }
        }
        taken
    }

    /// Cuts a block, and tells what was taken and what is left over to be a free block.
    #[inline]
    fn cut(mut self, block: ArenaBlock, bytes: u32) -> (ArenaBlock, Option<ArenaBlock>) {
        let rest = ArenaBlock {
            at: block.at.wrapping_add(bytes),
            bytes: block.bytes.wrapping_sub(bytes),
        };
        let is_free = rest.bytes > SLACK_BYTES;
        self.again().set_previous_free(block.end(), is_free);
        if is_free {
            (ArenaBlock { bytes, ..block }, Some(rest))
        } else {
            (block, None)
        }
    }

    /// Gives a block back. `follows_free` says whether the block before it is free.
    pub fn release(mut self, block: ArenaBlock, follows_free: bool) {
        if let Some(free) = self.again().coalesce(block, follows_free) {
            self.again().push(free);
        }
    }

    /// Joins a block that is to be free with its free neighbours. The result is in no bin; `None`
    /// where it has become part of what is behind the frontier.
    #[inline(always)]
    pub fn coalesce(mut self, block: ArenaBlock, follows_free: bool) -> Option<ArenaBlock> {
        let (mut at, mut end) = (block.at, block.end());
        if follows_free {
            at = at.wrapping_sub(self.read().size_before(at));
            if let Some(free) = self.0.free(at) {
                self.again().unlink(at, free);
            }
        }
        let frontier = self.0.header().frontier;
        if end < frontier {
            if let Some(free) = self.0.free(end) {
                end = end.wrapping_add(self.again().unlink(end, free).bytes);
            }
        }
        if end >= frontier {
            self.0.header_mut().frontier = at;
            return None;
        }
        Some(ArenaBlock {
            at,
            bytes: end.wrapping_sub(at),
        })
    }

    fn set_previous_free(self, at: u32, free: bool) {
        if let Some(entry) = self.0.entry_mut(at) {
            entry.set_previous_free(free);
        }
    }

    /// Marks a block free and puts it into its bin.
    pub fn push(mut self, block: ArenaBlock) {
        self.again().set_previous_free(block.end(), true);
        self.again().mark(block);
        self.bin(block);
    }

    /// Counts a block as free, and has both of its ends say so.
    #[inline]
    fn mark(self, block: ArenaBlock) {
        let ArenaBlock { at, bytes } = block;
        self.0.note_free(bytes);
        let header = self.0.header_mut();
        header.free_bytes = header.free_bytes.wrapping_add(bytes);
        self.0.set_word(at, FreeHeader::tag(bytes));
        self.0
            .set_word(block.end().wrapping_sub(4), FreeHeader::tag(bytes));
    }

    /// Puts a block that is marked into its bin, if it is large enough.
    #[inline(never)]
    fn bin(self, block: ArenaBlock) {
        let ArenaBlock { at, bytes } = block;
        if !is_binned(bytes) {
            return;
        }
        let second = self.0.header_mut().push_bin(bin_of(bytes), at);
        if let Some(free) = self.0.free_mut(at) {
            *free = FreeHeader::new(bytes, second);
        }
        if let Some(second) = self.0.free_mut(second) {
            second.previous = at;
        }
    }

    /// Takes a free block with this header out of its bin.
    pub fn unlink(self, at: u32, free: FreeHeader) -> ArenaBlock {
        let bytes = free.bytes();
        let header = self.0.header_mut();
        header.free_bytes = header.free_bytes.wrapping_sub(bytes);
        if header.rest == at {
            header.rest = 0;
        } else if is_binned(bytes) {
            let (next, previous) = (free.next, free.previous);
            match self.0.free_mut(previous) {
                Some(before) => before.next = next,
                None => self.0.header_mut().set_bin(bin_of(bytes), next),
            }
            if let Some(behind) = self.0.free_mut(next) {
                behind.previous = previous;
            }
        }
        ArenaBlock { at, bytes }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{ArenaBlock, FreeList, FreeSizes, bin_of};
    use crate::cache::test_numbers::Numbers;
    use crate::region::{BINS, EntryHeader, RegionView, block_bytes};

    /// Writes the header of an entry with a value of `len` bytes, which needs so many of its block.
    fn enter(region: &mut RegionView, block: ArenaBlock, len: usize, bytes: u32) {
        let entry = EntryHeader::new(1, len, block.bytes - bytes, 0, 0);
        *region.entry_mut(block.at).expect("in the arena") = entry;
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn bins_ascend_without_gaps_up_to_the_largest_size() {
        let mut last = bin_of(0);
        let sizes = (0..1 << 16).chain(
            (16..32)
                .flat_map(|power| (0..64).map(move |part| (1 << power) | (part << (power - 6)))),
        );
        for size in sizes {
            let bin = bin_of(size);
            assert!(bin == last || bin == last + 1, "{size} bytes");
            last = bin;
        }
        assert_eq!(bin_of(u32::MAX), BINS - 1);
    }

    /// Taken and free blocks tile the arena up to the frontier, and the bins hold the free ones.
    fn check(region: &RegionView, taken: &[ArenaBlock]) {
        let list = FreeList(region);
        let mut sizes = FreeSizes::default();
        let mut at = region.geometry().arena_start;
        let mut after_free = false;
        while at < region.header().frontier {
            if let Some(checked) = list.check_block(at) {
                assert!(!after_free, "free blocks touch at {at}");
                let bytes = checked.expect("a free block is sound");
                sizes.add(bytes);
                (at, after_free) = (at + bytes, true);
            } else {
                let block = taken.iter().find(|block| block.at == at);
                let entry = region.entry(at).expect("in the arena");
                assert_eq!(entry.previous_free(), after_free, "at {at}");
                (at, after_free) = (block.expect("taken").end(), false);
            }
        }
        assert_eq!(at, region.header().frontier);
        assert_eq!(list.validate(&sizes), Ok(()));
    }

    #[test]
    fn blocks_taken_and_given_back_in_any_order_tile_the_arena() {
        for seed in 1..if cfg!(miri) { 2 } else { 9 } {
            let mut region = RegionView::bare(20_000);
            let mut numbers = Numbers(seed);
            let mut taken: Vec<ArenaBlock> = Vec::new();
            for _ in 0..if cfg!(miri) { 40 } else { 400 } {
                let len = [3, 40, 200, 1000][numbers.below(4)];
                let len = numbers.below(len);
                let bytes = block_bytes(1, len).expect("short");
                if numbers.below(5) < 3 {
                    if let Some(block) = FreeList(&mut region).take(bytes) {
                        assert!(block.bytes >= bytes && block.bytes - bytes <= super::SLACK_BYTES);
                        enter(&mut region, block, len, bytes);
                        taken.push(block);
                    }
                } else if !taken.is_empty() {
                    let block = taken.swap_remove(numbers.below(taken.len()));
                    let entry = region.entry(block.at).expect("in the arena");
                    let follows_free = entry.previous_free();
                    let list = FreeList(&mut region);
                    let free = list.coalesce(block, follows_free);
                    match free.filter(|free| free.bytes >= bytes) {
                        Some(free) if numbers.below(2) == 0 => {
                            let block = FreeList(&mut region).split_evicted(free, bytes);
                            enter(&mut region, block, len, bytes);
                            taken.push(block);
                        }
                        _ => free
                            .into_iter()
                            .for_each(|free| FreeList(&mut region).push(free)),
                    }
                }
                check(&region, &taken);
            }
            for block in taken.drain(..) {
                let entry = region.entry(block.at).expect("in the arena");
                let follows_free = entry.previous_free();
                FreeList(&mut region).release(block, follows_free);
            }
            assert_eq!(region.header().frontier, region.geometry().arena_start);
            assert_eq!(region.header().free_bytes, 0);
        }
    }
}
