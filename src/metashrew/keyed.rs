//! A map from byte strings that remembers the order of insertion.
//!
//! Whoever writes a block chooses keys, and knows the hash. Keys that stand in each other's way in
//! a hash table would each be compared with all the others. Where looking for one has compared
//! many, the map goes on with a tree.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::cache::{HashedKey, equal};

/// Who compares more keys than this finds them chosen: of keys that are not, about one in sixteen
/// is compared for nothing.
const MOST_COMPARED: u32 = 32;

/// Values by key, in the order in which their keys came.
///
/// What leaves here leaves in the list's order, so that nothing depends on the positions'.
#[derive(Debug)]
pub struct Keyed<V> {
    positions: Positions,
    items: Vec<Item<V>>,
}

#[derive(Debug)]
struct Item<V> {
    key: Arc<Vec<u8>>,
    /// The key's, so that nobody computes it again.
    hash: u64,
    value: V,
}

/// Where keys stand in the list.
#[derive(Debug)]
enum Positions {
    /// By hash.
    Table(HashTable<u32>),
    Tree(BTreeMap<Key, u32>),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key(Arc<Vec<u8>>);

impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl<V> Keyed<V> {
    pub const fn new() -> Self {
        Self {
            positions: Positions::Table(HashTable::new()),
            items: Vec::new(),
        }
    }

    #[inline]
    pub fn get(&mut self, key: &[u8]) -> Option<&V> {
        if self.items.is_empty() {
            return None;
        }
        self.get_hashed(&HashedKey::new(key))
    }

    /// As [`get`](Self::get), by a key that was hashed before.
    #[inline]
    pub fn get_hashed(&mut self, key: &HashedKey<&[u8]>) -> Option<&V> {
        if self.items.is_empty() {
            return None;
        }
        let position = self.find(key.bytes(), key.index_hash())?;
        Some(&self.items[position as usize].value)
    }

    #[inline(never)]
    fn find(&mut self, key: &[u8], hash: u64) -> Option<u32> {
        let table = match &self.positions {
            Positions::Table(table) => table,
            Positions::Tree(tree) => return tree.get(key).copied(),
        };
        let mut compared = 0;
        let found = table.find(hash, |position| {
            compared += 1;
            equal(&self.items[*position as usize].key, key)
        });
        let found = found.copied();
        if compared > MOST_COMPARED {
            self.plant();
        }
        found
    }

    /// The position and the value of a key, which is there afterwards if it was not before.
    pub fn entry(&mut self, key: &Arc<Vec<u8>>, new: impl FnOnce() -> V) -> (u32, &mut V) {
        let next = u32::try_from(self.items.len()).expect("items are below 4 GiB");
        let hash = HashedKey::new(key.as_slice()).index_hash();
        let item_at = |position: u32| &self.items[position as usize];
        let mut compared = 0;
        let position = match &mut self.positions {
            Positions::Table(table) => {
                let is_it = |position: &u32| {
                    compared += 1;
                    equal(&item_at(*position).key, key)
                };
                match table.entry(hash, is_it, |&position| item_at(position).hash) {
                    Entry::Occupied(position) => *position.get(),
                    Entry::Vacant(vacant) => *vacant.insert(next).get(),
                }
            }
            Positions::Tree(tree) => *tree.entry(Key(key.clone())).or_insert(next),
        };
        if position == next {
            self.items.push(Item {
                key: key.clone(),
                hash,
                value: new(),
            });
        }
        if compared > MOST_COMPARED {
            self.plant();
        }
        (position, &mut self.items[position as usize].value)
    }

    /// Goes on with a tree: what is in the way of a key in the table is in no key's way there.
    #[cold]
    fn plant(&mut self) {
        // The table's memory goes back first.
        self.positions = Positions::Tree(BTreeMap::new());
        let keys = self.items.iter().map(|item| Key(item.key.clone()));
        self.positions = Positions::Tree(keys.zip(0..).collect());
    }

    /// The key and the value at a position that [`entry`](Self::entry) gave.
    pub fn at(&self, position: u32) -> (&Arc<Vec<u8>>, &V) {
        let item = &self.items[position as usize];
        (&item.key, &item.value)
    }

    /// The key at a position, with its hash.
    pub fn hashed_at(&self, position: u32) -> HashedKey<&[u8]> {
        let item = &self.items[position as usize];
        HashedKey::with_hash(&item.key, item.hash)
    }

    /// As [`at`](Self::at), to change the value.
    pub fn at_mut(&mut self, position: u32) -> (&Arc<Vec<u8>>, &mut V) {
        let item = &mut self.items[position as usize];
        (&item.key, &mut item.value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Vec<u8>>, &V)> + Clone {
        self.items.iter().map(|item| (&item.key, &item.value))
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Forgets everything, and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::{Keyed, MOST_COMPARED, Positions};
    use crate::cache::HashedKey;
    use alloc::sync::Arc;
    use alloc::vec::Vec;

    /// Enters keys, each of them twice, and finds them again in their order.
    fn entered(keys: &[Arc<Vec<u8>>]) -> Keyed<usize> {
        let mut keyed = Keyed::new();
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(keyed.get(key), None);
            let (position, value) = keyed.entry(key, || number);
            assert_eq!((position as usize, *value), (number, number));
            let (earlier, _) = keyed.entry(&keys[number / 2], || panic!("it is there"));
            assert_eq!(earlier as usize, number / 2);
        }
        for (number, key) in keys.iter().enumerate() {
            assert_eq!(keyed.get(key), Some(&number));
            assert_eq!(keyed.at(number as u32), (key, &number));
        }
        assert!(keyed.iter().map(|(key, _)| key).eq(keys));
        keyed
    }

    fn keys() -> impl Iterator<Item = Arc<Vec<u8>>> {
        (0_u32..).map(|number| Arc::new(number.to_le_bytes().repeat(5)))
    }

    /// Keys that begin at one place of a small table, with one tag.
    fn chosen() -> impl Iterator<Item = Arc<Vec<u8>>> {
        const PLACE_AND_TAG: usize = 0x7F << (usize::BITS - 7) | 0x3F;
        keys()
            .filter(|key| HashedKey::new(key.as_slice()).index_hash() as usize & PLACE_AND_TAG == 0)
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long, and safe")]
    fn looking_for_what_is_not_there_plants_a_tree_too() {
        let mut chosen = chosen();
        let absent = chosen.next().expect("there are more");
        let mut keyed = Keyed::new();
        for key in chosen.take(MOST_COMPARED as usize + 1) {
            keyed.entry(&key, || ());
        }
        assert!(matches!(keyed.positions, Positions::Table(_)));
        assert_eq!(keyed.get(&absent), None);
        assert!(matches!(keyed.positions, Positions::Tree(_)));
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long, and safe")]
    fn chosen_keys_are_in_a_tree_and_others_in_a_table() {
        let chosen: Vec<_> = chosen().take(50).collect();
        assert!(matches!(entered(&chosen).positions, Positions::Tree(_)));
        let few = &chosen[..MOST_COMPARED as usize];
        assert!(matches!(entered(few).positions, Positions::Table(_)));
        let others: Vec<_> = keys().take(5_000).collect();
        assert!(matches!(entered(&others).positions, Positions::Table(_)));
    }

    #[test]
    fn what_is_cleared_begins_with_a_table() {
        let mut keyed = entered(&keys().take(3).collect::<Vec<_>>());
        keyed.plant();
        assert_eq!((keyed.len(), keyed.get(&[0; 20])), (3, Some(&0)));
        keyed.clear();
        assert!(matches!(keyed.positions, Positions::Table(_)));
        assert_eq!((keyed.len(), keyed.get(&[0; 20])), (0, None));
    }
}
