//! The writes of the block at hand, in the order in which their keys were first written.

use crate::key::Key;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hasher};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// A map from keys to values that remembers the order of insertion.
///
/// The table holds positions in the list, hashed with a fixed seed: nobody chooses keys, which are
/// digests. What leaves here leaves in the list's order, so that nothing depends on the table's.
#[derive(Default)]
pub struct Pending {
    positions: HashTable<u32>,
    writes: Vec<(Key, Vec<u8>)>,
}

impl Pending {
    /// The value to be written at `key`, if there is one; an empty one deletes.
    pub fn get(&self, key: &Key) -> Option<&[u8]> {
        self.positions
            .find(hash(key), |&position| {
                self.writes[position as usize].0 == *key
            })
            .map(|&position| self.writes[position as usize].1.as_slice())
    }

    /// Writes `value` at `key`, over what was to be written there.
    pub fn set(&mut self, key: Key, value: Vec<u8>) {
        let next = u32::try_from(self.writes.len())
            .expect("a block is below 4 GiB, and a write stems from a byte of it");
        let entry = self.positions.entry(
            hash(&key),
            |&position| self.writes[position as usize].0 == key,
            |&position| hash(&self.writes[position as usize].0),
        );
        match entry {
            Entry::Occupied(position) => self.writes[*position.get() as usize].1 = value,
            Entry::Vacant(vacant) => {
                vacant.insert(next);
                self.writes.push((key, value));
            }
        }
    }

    /// All keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.writes
            .iter()
            .map(|(key, value)| (key.bytes(), value.as_slice()))
    }

    /// How many keys are to be written.
    pub fn len(&self) -> usize {
        self.writes.len()
    }
}

fn hash(key: &Key) -> u64 {
    let mut hasher = FixedState::default().build_hasher();
    hasher.write(key.bytes());
    hasher.finish()
}
