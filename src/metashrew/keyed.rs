//! A map from byte strings that remembers the order of insertion.

use alloc::sync::Arc;
use alloc::vec::Vec;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::cache::{equal, hash};

/// Values by key, in the order in which their keys came.
///
/// The table holds positions in the list, hashed with a fixed seed. What leaves here leaves in the
/// list's order, so that nothing depends on the table's.
#[derive(Debug)]
pub struct Keyed<V> {
    positions: HashTable<u32>,
    items: Vec<(Arc<Vec<u8>>, V)>,
}

impl<V> Keyed<V> {
    pub const fn new() -> Self {
        Self {
            positions: HashTable::new(),
            items: Vec::new(),
        }
    }

    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        if self.items.is_empty() {
            return None;
        }
        self.get_hashed(key, hash(key))
    }

    /// As [`get`](Self::get), for a caller that has the key's [`hash`] already.
    #[inline]
    pub fn get_hashed(&self, key: &[u8], hash: u64) -> Option<&V> {
        if self.items.is_empty() {
            return None;
        }
        self.find(key, hash)
    }

    #[inline(never)]
    fn find(&self, key: &[u8], hash: u64) -> Option<&V> {
        let is_it = |position: &u32| equal(&self.items[*position as usize].0, key);
        let position = self.positions.find(hash, is_it)?;
        Some(&self.items[*position as usize].1)
    }

    /// The position and the value of a key, which is there afterwards if it was not before.
    pub fn entry(&mut self, key: &Arc<Vec<u8>>, new: impl FnOnce() -> V) -> (u32, &mut V) {
        let next = u32::try_from(self.items.len()).expect("items are below 4 GiB");
        let items = &mut self.items;
        let entry = self.positions.entry(
            hash(key),
            |&position| equal(&items[position as usize].0, key),
            |&position| hash(&items[position as usize].0),
        );
        let position = match entry {
            Entry::Occupied(position) => *position.get(),
            Entry::Vacant(vacant) => {
                vacant.insert(next);
                items.push((key.clone(), new()));
                next
            }
        };
        (position, &mut items[position as usize].1)
    }

    /// The key and the value at a position that [`entry`](Self::entry) gave.
    pub fn at(&self, position: u32) -> (&Arc<Vec<u8>>, &V) {
        let (key, value) = &self.items[position as usize];
        (key, value)
    }

    /// As [`at`](Self::at), to change the value.
    pub fn at_mut(&mut self, position: u32) -> (&Arc<Vec<u8>>, &mut V) {
        let (key, value) = &mut self.items[position as usize];
        (key, value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Vec<u8>>, &V)> + Clone {
        self.items.iter().map(|(key, value)| (key, value))
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Forgets everything, and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}
