//! The values of the block at hand, as a copy that a program can look at.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::state;

/// A key and its value.
type Pair = (Arc<Vec<u8>>, Arc<Vec<u8>>);

/// The values that the block at hand has written, and the large ones that it has read.
///
/// A snapshot: later writes do not change it. It has the methods of a map that metashrew's programs
/// use, and iterates in the order in which the keys first came.
#[derive(Debug)]
pub struct BlockValues {
    pairs: Vec<Pair>,
    /// Positions of the pairs, in the order of their keys.
    by_key: Vec<usize>,
}

/// The values that [`get`](super::get) answers without cache or host: what the block at hand has
/// written, and the large values that it has read (see there).
///
/// In metashrew-core this map has every value that was read. The answer does not depend on the
/// host's memory. It costs time and heap in proportion to the number of values.
///
/// ```
/// use std::sync::Arc;
/// use steadfast::metashrew::{get_cache, set};
///
/// set(Arc::new(b"/tip".to_vec()), Arc::new(vec![7]));
/// let values = get_cache();
/// let (key, value) = values.iter().next().expect("one was set");
/// assert_eq!((&key[..], &value[..]), (&b"/tip"[..], &[7][..]));
/// ```
#[must_use]
pub fn get_cache() -> BlockValues {
    state::with(|state| {
        let pairs = state.working_set.iter();
        let pairs: Vec<_> = pairs
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let mut by_key = Vec::from_iter(0..pairs.len());
        by_key.sort_unstable_by_key(|&position| &*pairs[position].0);
        BlockValues { pairs, by_key }
    })
}

impl BlockValues {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Arc<Vec<u8>>> {
        let found = self
            .by_key
            .binary_search_by_key(&key, |&position| &self.pairs[position].0);
        found.ok().map(|place| &self.pairs[self.by_key[place]].1)
    }

    /// Whether there is a value of a key.
    #[must_use]
    pub fn contains_key(&self, key: &[u8]) -> bool {
        self.get(key).is_some()
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Vec<u8>>, &Arc<Vec<u8>>)> {
        self.pairs.iter().map(|(key, value)| (key, value))
    }

    /// The keys.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Vec<u8>>> {
        self.iter().map(|(key, _)| key)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &Arc<Vec<u8>>> {
        self.iter().map(|(_, value)| value)
    }
}
