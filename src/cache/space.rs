//! Free space: coalescing blocks in bins by size, and a frontier above which nothing has been used yet.
//!
//! A free block says its size in its first and in its last word, with bit 0 set; the entry behind it knows that the block
//! before it is free. Two free blocks never stand side by side, and none stands at the frontier. Free blocks of less than
//! an entry's header are in no bin: they wait for a neighbour to become free.

use super::store::Store;
use crate::region::{BINS, ENTRY_HEADER_BYTES, LINEAR_BIN_BYTES};

/// A block of the arena: one that was taken has what was asked for, or up to `SLACK_BYTES` more.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    pub at: u32,
    pub bytes: u32,
}

const FREE: u32 = 1;
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
        let at = match self.first_of(own) {
            Some(at) if self.free_size(at) >= bytes => at,
            _ => self.first_of(self.next_bin(own + 1)?)?,
        };
        let block = Block {
            at,
            bytes: self.free_size(at),
        };
        if block.bytes < bytes {
            return None;
        }
        self.unbin(block);
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
        self.bin(Block {
            at: block.at.wrapping_add(bytes),
            bytes: rest,
        });
        Block { bytes, ..block }
    }

    /// Gives a block back: joins it with its free neighbours, or with the frontier. Its header must still be there.
    pub fn release(&mut self, block: Block) {
        let Block { mut at, bytes } = block;
        let mut end = at.wrapping_add(bytes);
        let entry = self.region.entry(at);
        if entry.is_some_and(|entry| entry.previous_free()) {
            let bytes = self.size_before(at);
            at = at.wrapping_sub(bytes);
            self.unbin(Block { at, bytes });
        }
        let frontier = self.region.header().frontier;
        if end < frontier && self.is_free(end) {
            let bytes = self.free_size(end);
            self.unbin(Block { at: end, bytes });
            end = end.wrapping_add(bytes);
        }
        if end >= frontier {
            self.region.header_mut().frontier = at;
            return;
        }
        self.bin(Block {
            at,
            bytes: end.wrapping_sub(at),
        });
        self.set_previous_free(end, true);
    }

    pub fn is_free(&self, at: u32) -> bool {
        self.region.word(at) & FREE != 0
    }

    /// The size of the free block at an offset.
    pub fn free_size(&self, at: u32) -> u32 {
        self.region.word(at) & !FREE
    }

    /// The free block behind another one in its bin; 0 for none.
    pub fn next_in_bin(&self, at: u32) -> u32 {
        self.region.word(at.wrapping_add(4))
    }

    /// The free block before another one in its bin; 0 for none.
    pub fn previous_in_bin(&self, at: u32) -> u32 {
        self.region.word(at.wrapping_add(8))
    }

    /// The size in the last word of the free block that ends at an offset.
    pub fn size_before(&self, end: u32) -> u32 {
        self.region.word(end.wrapping_sub(4)) & !FREE
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
    fn bin(&mut self, Block { at, bytes }: Block) {
        self.region.set_word(at, bytes | FREE);
        self.region
            .set_word(at.wrapping_add(bytes).wrapping_sub(4), bytes | FREE);
        let header = self.region.header_mut();
        header.free_bytes = header.free_bytes.wrapping_add(bytes);
        if is_binned(bytes) {
            let bin = bin_of(bytes);
            let next = self.first_of(bin).unwrap_or(0);
            self.region.set_word(at.wrapping_add(4), next);
            self.region.set_word(at.wrapping_add(8), 0);
            if next != 0 {
                self.region.set_word(next.wrapping_add(8), at);
            }
            self.set_first(bin, at);
        }
    }

    /// Takes a free block out of its bin.
    pub fn unbin(&mut self, Block { at, bytes }: Block) {
        let header = self.region.header_mut();
        header.free_bytes = header.free_bytes.wrapping_sub(bytes);
        if is_binned(bytes) {
            let (next, previous) = (self.next_in_bin(at), self.previous_in_bin(at));
            if previous == 0 {
                self.set_first(bin_of(bytes), next);
            } else {
                self.region.set_word(previous.wrapping_add(4), next);
            }
            if next != 0 {
                self.region.set_word(next.wrapping_add(8), previous);
            }
        }
    }

    /// Makes a block the first of its bin; 0 is none.
    fn set_first(&mut self, bin: usize, at: u32) {
        debug_assert!(bin < BINS, "every size has a bin");
        let header = self.region.header_mut();
        let (Some(first), Some(word)) =
            (header.bins.get_mut(bin), header.bin_map.get_mut(bin / 32))
        else {
            return;
        };
        *first = at;
        let (bit, summary) = (1 << (bin % 32), 1 << (bin / 32));
        if at != 0 {
            *word |= bit;
            header.bin_summary |= summary;
            return;
        }
        *word &= !bit;
        if *word == 0 {
            header.bin_summary &= !summary;
        }
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
