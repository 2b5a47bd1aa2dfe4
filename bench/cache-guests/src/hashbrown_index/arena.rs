//! Blocks of one buffer: free ones are joined with their free neighbours, and stand in lists by size.

use super::words::copy;
use bytemuck::{Pod, Zeroable};

/// The block is free; its last four bytes are its size.
const FREE: u32 = 1 << 31;
/// The block before it is free.
const PREVIOUS_FREE: u32 = 1 << 30;
const FLAGS: u32 = FREE | PREVIOUS_FREE;

const HEADER_BYTES: u32 = size_of::<Entry>() as u32;

/// Eight lists for each power of two.
const LISTS: usize = 256;

/// What stands in front of an entry's key and value, and in a free block.
#[repr(C, packed)]
#[derive(Clone, Copy, Pod, Zeroable)]
pub struct Entry {
    size_and_flags: u32,
    /// The entry used next after this one; the next free block of the list.
    pub newer: u32,
    /// The entry used last before this one; the previous free block of the list.
    pub older: u32,
    key_len: u32,
    value_len: u32,
}

impl Entry {
    fn size(&self) -> u32 {
        self.size_and_flags & !FLAGS
    }

    fn has(&self, flag: u32) -> bool {
        self.size_and_flags & flag != 0
    }
}

/// The buffer.
pub struct Arena {
    bytes: Vec<u8>,
    /// Everything from here on is free.
    frontier: u32,
    lists: [u32; LISTS],
    /// A bit for each list that is not empty.
    occupied: [u64; LISTS / 64],
}

/// The bytes of an entry's block.
pub fn block_bytes(key: &[u8], value: &[u8]) -> u32 {
    (HEADER_BYTES + (key.len() + value.len()) as u32).next_multiple_of(2)
}

fn list_of(size: u32) -> usize {
    let log = size.ilog2();
    (log * 8 + (size >> (log - 3) & 7)) as usize
}

impl Arena {
    pub fn new(bytes: usize) -> Self {
        Self {
            bytes: vec![0; bytes],
            // No block stands at 0, which says that there is none.
            frontier: 4,
            lists: [0; LISTS],
            occupied: [0; LISTS / 64],
        }
    }

    #[inline(always)]
    pub fn entry(&self, at: u32) -> &Entry {
        bytemuck::from_bytes(&self.bytes[at as usize..][..HEADER_BYTES as usize])
    }

    #[inline(always)]
    pub fn entry_mut(&mut self, at: u32) -> &mut Entry {
        bytemuck::from_bytes_mut(&mut self.bytes[at as usize..][..HEADER_BYTES as usize])
    }

    #[inline(always)]
    pub fn key(&self, at: u32) -> &[u8] {
        let key_len = self.entry(at).key_len as usize;
        &self.bytes[(at + HEADER_BYTES) as usize..][..key_len]
    }

    #[inline(always)]
    pub fn value(&self, at: u32) -> &[u8] {
        let entry = self.entry(at);
        let value_at = at + HEADER_BYTES + entry.key_len;
        &self.bytes[value_at as usize..][..entry.value_len as usize]
    }

    pub fn value_mut(&mut self, at: u32) -> &mut [u8] {
        let entry = *self.entry(at);
        let value_at = at + HEADER_BYTES + entry.key_len;
        &mut self.bytes[value_at as usize..][..entry.value_len as usize]
    }

    /// Writes an entry into a block that was taken for it.
    pub fn write(&mut self, at: u32, key: &[u8], value: &[u8]) {
        let entry = self.entry_mut(at);
        entry.key_len = key.len() as u32;
        entry.value_len = value.len() as u32;
        let key_at = (at + HEADER_BYTES) as usize;
        copy(&mut self.bytes[key_at..][..key.len()], key);
        copy(self.value_mut(at), value);
    }

    /// A block of that many bytes or a few more: a free one if a list has one that fits, else at the frontier.
    pub fn take(&mut self, bytes: u32) -> Option<u32> {
        let own = self.lists[list_of(bytes)];
        let found = if own != 0 && self.entry(own).size() >= bytes {
            own
        } else {
            self.first_above(list_of(bytes)).unwrap_or(0)
        };
        if found == 0 {
            return self.take_frontier(bytes);
        }
        self.unlist(found);
        let size = self.entry(found).size();
        let rest = size - bytes;
        if rest >= HEADER_BYTES + 4 {
            self.set_size(found, bytes);
            self.enlist(found + bytes, rest);
        } else {
            self.set_size(found, size);
            self.tell_next(found + size, 0);
        }
        Some(found)
    }

    /// Gives a block back.
    pub fn release(&mut self, at: u32) {
        let (mut at, mut size) = (at, self.entry(at).size());
        if self.entry(at).has(PREVIOUS_FREE) {
            let before: [u8; 4] = self.bytes[at as usize - 4..][..4]
                .try_into()
                .expect("four bytes");
            let before = u32::from_le_bytes(before);
            (at, size) = (at - before, size + before);
            self.unlist(at);
        }
        let next = at + size;
        if next < self.frontier && self.entry(next).has(FREE) {
            self.unlist(next);
            size += self.entry(next).size();
        }
        if at + size == self.frontier {
            self.frontier = at;
        } else {
            self.enlist(at, size);
            self.tell_next(at + size, PREVIOUS_FREE);
        }
    }

    fn take_frontier(&mut self, bytes: u32) -> Option<u32> {
        let at = self.frontier;
        // A header's room is left at the end, so that what follows a block can always be read as one.
        if (self.bytes.len() as u32).checked_sub(at)? < bytes + HEADER_BYTES {
            return None;
        }
        self.frontier += bytes;
        self.set_size(at, bytes);
        Some(at)
    }

    fn first_above(&self, list: usize) -> Option<u32> {
        let from = list + 1;
        let masked = self.occupied.get(from / 64)? & (u64::MAX << (from % 64));
        let (word, bits) = match masked {
            0 => (from / 64 + 1..LISTS / 64)
                .map(|word| (word, self.occupied[word]))
                .find(|(_, bits)| *bits != 0)?,
            bits => (from / 64, bits),
        };
        Some(self.lists[word * 64 + bits.trailing_zeros() as usize])
    }

    /// A block in use behind one in use.
    fn set_size(&mut self, at: u32, size: u32) {
        self.entry_mut(at).size_and_flags = size;
    }

    /// Says to the block at an offset, if there is one, whether the one before is free.
    fn tell_next(&mut self, at: u32, flag: u32) {
        if at < self.frontier {
            let entry = self.entry_mut(at);
            entry.size_and_flags = entry.size_and_flags & !PREVIOUS_FREE | flag;
        }
    }

    fn enlist(&mut self, at: u32, size: u32) {
        let list = list_of(size);
        let next = self.lists[list];
        let entry = self.entry_mut(at);
        entry.size_and_flags = size | FREE;
        (entry.newer, entry.older) = (next, 0);
        if next != 0 {
            self.entry_mut(next).older = at;
        }
        self.bytes[(at + size) as usize - 4..][..4].copy_from_slice(&size.to_le_bytes());
        self.lists[list] = at;
        self.occupied[list / 64] |= 1 << (list % 64);
    }

    fn unlist(&mut self, at: u32) {
        let entry = *self.entry(at);
        let list = list_of(entry.size());
        match entry.older {
            0 => self.lists[list] = entry.newer,
            older => self.entry_mut(older).newer = entry.newer,
        }
        if entry.newer != 0 {
            self.entry_mut(entry.newer).older = entry.older;
        }
        if self.lists[list] == 0 {
            self.occupied[list / 64] &= !(1 << (list % 64));
        }
    }
}
