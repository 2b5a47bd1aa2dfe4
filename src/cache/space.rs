//! Free space: coalescing blocks in bins by size, and a frontier above which nothing has been used yet.
//!
//! A free block says its size in its first and in its last word, with bit 0 set; the entry behind it knows that the block
//! before it is free. Two free blocks never stand side by side, and none stands at the frontier. Free blocks of less than
//! an entry's header are in no bin: they wait for a neighbour to become free.

use super::store::Store;
use crate::region::{ENTRY_HEADER_BYTES, FreeHeader, LINEAR_BIN_BYTES};

/// A block of the arena: one that was taken has what was asked for, or up to `SLACK_BYTES` more.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub at: u32,
    pub bytes: u32,
}

/// A rest of up to this size cannot hold a free block's two sizes, and stays with the entry.
pub const SLACK_BYTES: u32 = 6;

/// The bin of a free block: one for every four bytes of size, then eight for every power of two.
pub fn bin_of(bytes: u32) -> usize {
    if bytes < LINEAR_BIN_BYTES {
        return (bytes / 4) as usize;
    }
    let power = bytes.ilog2();
    let eighth = (bytes >> (power - 3)) & 7;
    (LINEAR_BIN_BYTES / 4 + (power - LINEAR_BIN_BYTES.ilog2()) * 8 + eighth) as usize
}

/// Whether a free block is large enough to be in a bin.
pub fn is_binned(bytes: u32) -> bool {
    bytes >= ENTRY_HEADER_BYTES
}

impl Store {
    /// Takes a block from the free ones or from the frontier, without evicting anything.
    #[inline]
    pub fn take(&mut self, bytes: u32) -> Option<Block> {
        if self.region.header().free_bytes >= bytes {
            if let Some(block) = self.take_free(bytes) {
                return Some(block);
            }
        }
        self.take_frontier(bytes)
    }

    /// Takes a block from the frontier.
    #[inline]
    pub fn take_frontier(&mut self, bytes: u32) -> Option<Block> {
        let capacity = self.region.capacity();
        let header = self.region.header_mut();
        let at = header.frontier;
        if capacity.checked_sub(at)? < bytes {
            return None;
        }
        header.frontier += bytes;
        Some(Block { at, bytes })
    }

    /// Takes a free block: the first of its own bin if that is large enough, else the first of the next bin that is not
    /// empty, which is.
    fn take_free(&mut self, bytes: u32) -> Option<Block> {
        let own = bin_of(bytes);
        let fitting = |at| {
            let free = self.region.free(at)?;
            (free.bytes() >= bytes).then_some((at, free))
        };
        let (at, free) = match self.first_of(own).and_then(fitting) {
            Some(found) => found,
            None => fitting(self.first_of(self.next_bin(own + 1)?)?)?,
        };
        let block = self.unbin(at, free);
        Some(self.carve(block, bytes))
    }

    /// Cuts what is asked for off a free block that is in no bin; the rest becomes a free block if it can be one.
    pub fn carve(&mut self, block: Block, bytes: u32) -> Block {
        let end = block.at.wrapping_add(block.bytes);
        let rest = block.bytes.wrapping_sub(bytes);
        self.set_previous_free(end, rest > SLACK_BYTES);
        if rest <= SLACK_BYTES {
            return block;
        }
        self.bin_marked(Block {
            at: block.at.wrapping_add(bytes),
            bytes: rest,
        });
        Block { bytes, ..block }
    }

    /// Gives a block back. `follows_free` says whether the block before it is free.
    pub fn release(&mut self, block: Block, follows_free: bool) {
        if let Some(free) = self.join(block, follows_free) {
            self.bin(free);
        }
    }

    /// Joins a block that is to be free with its free neighbours. The result is in no bin; `None` where it has become part of what is
    /// behind the frontier.
    #[inline]
    pub fn join(&mut self, block: Block, follows_free: bool) -> Option<Block> {
        let Block { mut at, bytes } = block;
        let mut end = at.wrapping_add(bytes);
        if follows_free {
            at = at.wrapping_sub(self.size_before(at));
            if let Some(free) = self.region.free(at) {
                self.unbin(at, free);
            }
        }
        let frontier = self.region.header().frontier;
        if end < frontier {
            if let Some(free) = self.region.free(end) {
                end = end.wrapping_add(self.unbin(end, free).bytes);
            }
        }
        if end >= frontier {
            self.region.header_mut().frontier = at;
            return None;
        }
        Some(Block {
            at,
            bytes: end.wrapping_sub(at),
        })
    }

    /// The size in the last word of the free block that ends at an offset.
    pub fn size_before(&self, end: u32) -> u32 {
        FreeHeader::bytes_of(self.region.word(end.wrapping_sub(4)))
    }

    /// The first free block of a bin.
    pub fn first_of(&self, bin: usize) -> Option<u32> {
        let header = self.region.header();
        let is_set = header.bin_map.get(bin / 32)? & (1 << (bin % 32)) != 0;
        is_set.then(|| header.bins.get(bin).copied())?
    }

    /// The first bin from this one on that is not empty.
    fn next_bin(&self, from: usize) -> Option<usize> {
        let header = self.region.header();
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

    fn set_previous_free(&mut self, at: u32, free: bool) {
        if at < self.region.header().frontier {
            if let Some(entry) = self.region.entry_mut(at) {
                entry.set_previous_free(free);
            }
        }
    }

    /// Marks a block free and puts it into its bin.
    pub fn bin(&mut self, block: Block) {
        self.set_previous_free(block.at.wrapping_add(block.bytes), true);
        self.bin_marked(block);
    }

    /// As [`bin`](Self::bin), where the block behind knows.
    fn bin_marked(&mut self, Block { at, bytes }: Block) {
        let end = at.wrapping_add(bytes);
        self.region
            .set_word(end.wrapping_sub(4), FreeHeader::tag(bytes));
        let header = self.region.header_mut();
        header.free_bytes = header.free_bytes.wrapping_add(bytes);
        if !is_binned(bytes) {
            self.region.set_word(at, FreeHeader::tag(bytes));
            return;
        }
        let second = header.push_bin(bin_of(bytes), at);
        if let Some(free) = self.region.free_mut(at) {
            *free = FreeHeader::new(bytes, second);
        }
        if let Some(second) = self.region.free_mut(second) {
            second.previous = at;
        }
    }

    /// Takes a free block with this header out of its bin.
    pub fn unbin(&mut self, at: u32, free: FreeHeader) -> Block {
        let bytes = free.bytes();
        let header = self.region.header_mut();
        header.free_bytes = header.free_bytes.wrapping_sub(bytes);
        if is_binned(bytes) {
            let (next, previous) = (free.next, free.previous);
            match self.region.free_mut(previous) {
                Some(before) => before.next = next,
                None => self.region.header_mut().set_bin(bin_of(bytes), next),
            }
            if let Some(behind) = self.region.free_mut(next) {
                behind.previous = previous;
            }
        }
        Block { at, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::bin_of;
    use crate::region::BINS;

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
}
