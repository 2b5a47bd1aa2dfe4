//! The writes of the block at hand, in the order in which their keys were first written.

use crate::key::Key;
use alloc::vec::Vec;
use hashbrown::HashTable;
use hashbrown::hash_table::{Entry, VacantEntry};
use steadfast::cache::HashedKey;

/// A map from keys to values that remembers the order of insertion.
///
/// The table holds positions in the list, by the hash that the cache has too. That has no seed:
/// nobody chooses keys, which are digests. What leaves here leaves in the list's order, so that
/// nothing depends on the table's.
pub struct Pending {
    positions: HashTable<u32>,
    writes: Vec<(HashedKey<Key>, Vec<u8>)>,
}

/// Where a key's value stands, or is to stand.
pub enum Place<'a> {
    /// The value to be written; an empty one deletes.
    Written(&'a mut Vec<u8>),
    /// The key is not written yet.
    Unwritten(Unwritten<'a>),
}

/// The place of a key that is not written yet.
pub struct Unwritten<'a> {
    position: VacantEntry<'a, u32>,
    writes: &'a mut Vec<(HashedKey<Key>, Vec<u8>)>,
}

impl Pending {
    /// No writes, and room for as many as a block of so many bytes mostly has: a list that grows in
    /// steps would stand in memory twice. Stands by itself, so that a profile of the heap names it.
    #[inline(never)]
    pub fn for_block(bytes: usize) -> Self {
        const BYTES_PER_WRITE: usize = 100;
        /// No block of the network has more bytes. What is larger is no such block, and gets no
        /// room for it.
        const MOST_BYTES: usize = 4_000_000;
        let writes = bytes.min(MOST_BYTES) / BYTES_PER_WRITE;
        Self {
            positions: HashTable::with_capacity(writes),
            writes: Vec::with_capacity(writes),
        }
    }

    /// Where `key` stands, or is to stand.
    pub fn place(&mut self, key: &HashedKey<Key>) -> Place<'_> {
        let writes = &mut self.writes;
        let entry = self.positions.entry(
            key.hash(),
            |&position| writes[position as usize].0 == *key,
            |&position| writes[position as usize].0.hash(),
        );
        match entry {
            Entry::Occupied(position) => Place::Written(&mut writes[*position.get() as usize].1),
            Entry::Vacant(position) => Place::Unwritten(Unwritten { position, writes }),
        }
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&HashedKey<Key>, &[u8])> + Clone {
        self.writes
            .iter()
            .map(|(key, value)| (key, value.as_slice()))
    }

    /// How many keys are to be written.
    pub fn len(&self) -> usize {
        self.writes.len()
    }
}

impl Unwritten<'_> {
    /// Writes `value` at `key`, whose place this is.
    pub fn write(self, key: HashedKey<Key>, value: Vec<u8>) {
        let next = u32::try_from(self.writes.len())
            .expect("a block is below 4 GiB, and a write stems from a byte of it");
        self.position.insert(next);
        self.writes.push((key, value));
    }
}
