//! The digest that is kept with a state: a hash of its pairs in which their order plays no part, so
//! that a block changes it by what the block wrote.
//!
//! It is LtHash with 1,024 lanes of 16 bits over BLAKE3; `docs/formats.md` specifies it.

use std::num::NonZeroUsize;
use std::thread;

use crate::digest::Digest;

/// Lanes of 16 bits.
const LANES: usize = 1024;

/// Changes that a thread is worth starting for: about 0.3 ms of hashing.
const CHANGES_PER_THREAD: usize = 512;

/// More threads than this gain little: the store itself writes on one.
const MAX_THREADS: usize = 4;

/// What a block did to one key. A value is never empty.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub key: &'a [u8],
    pub old: Option<Vec<u8>>,
    pub new: Option<&'a [u8]>,
}

/// A hash of a set of pairs, each of which can be added and taken away again.
///
/// ```
/// use steadfast_host::StateHasher;
///
/// let mut forwards = StateHasher::default();
/// forwards.pair(b"a", b"1");
/// forwards.pair(b"b", b"2");
/// let mut backwards = StateHasher::default();
/// backwards.pair(b"b", b"2");
/// backwards.pair(b"a", b"1");
/// assert_eq!(forwards.finish(), backwards.finish());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateHasher(Box<[u16; LANES]>);

impl Default for StateHasher {
    fn default() -> Self {
        StateHasher(Box::new([0; LANES]))
    }
}

impl StateHasher {
    /// Bytes in which it is stored.
    pub(super) const BYTES: usize = 2 * LANES;

    /// Adds a pair.
    pub fn pair(&mut self, key: &[u8], value: &[u8]) {
        self.combine(&element(key, value), u16::wrapping_add);
    }

    /// Takes away a pair that was added.
    pub fn remove(&mut self, key: &[u8], value: &[u8]) {
        self.combine(&element(key, value), u16::wrapping_sub);
    }

    /// The digest of the pairs that are left.
    #[must_use]
    pub fn finish(&self) -> Digest {
        Digest(*blake3::hash(&self.to_bytes()).as_bytes())
    }

    pub(super) fn apply(&mut self, changes: &[Change<'_>]) {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = cores
            .min(MAX_THREADS)
            .min(changes.len() / CHANGES_PER_THREAD);
        if threads < 2 {
            return changes.iter().for_each(|change| self.change(change));
        }
        // Sums of lanes can be added in any order.
        thread::scope(|scope| {
            let parts = changes.chunks(changes.len().div_ceil(threads));
            let workers: Vec<_> = parts
                .map(|part| {
                    scope.spawn(move || {
                        let mut sum = StateHasher::default();
                        part.iter().for_each(|change| sum.change(change));
                        sum
                    })
                })
                .collect();
            for worker in workers {
                let sum = worker.join().expect("hashing does not panic");
                self.combine(&sum.to_bytes(), u16::wrapping_add);
            }
        });
    }

    fn change(&mut self, change: &Change<'_>) {
        if change.old.as_deref() == change.new {
            return;
        }
        if let Some(old) = &change.old {
            self.remove(change.key, old);
        }
        if let Some(new) = change.new {
            self.pair(change.key, new);
        }
    }

    fn combine(&mut self, element: &[u8; Self::BYTES], operation: fn(u16, u16) -> u16) {
        let (lanes, _) = element.as_chunks();
        for (lane, other) in self.0.iter_mut().zip(lanes) {
            *lane = operation(*lane, u16::from_le_bytes(*other));
        }
    }

    /// Each lane in little-endian order.
    pub(super) fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        let (chunks, _) = bytes.as_chunks_mut();
        for (chunk, lane) in chunks.iter_mut().zip(self.0.iter()) {
            *chunk = lane.to_le_bytes();
        }
        bytes
    }

    #[cfg(any(test, feature = "redb"))]
    pub(super) fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let mut hasher = StateHasher::default();
        hasher.combine(bytes, u16::wrapping_add);
        hasher
    }
}

/// A pair as 1,024 lanes: BLAKE3's extended output over the key's length, the key and the value.
fn element(key: &[u8], value: &[u8]) -> [u8; StateHasher::BYTES] {
    // Linear memory holds at most 4 GiB, and a store's keys are shorter still.
    let length = u32::try_from(key.len()).expect("a key under 4 GiB");
    let mut hasher = blake3::Hasher::new();
    hasher.update(&length.to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    let mut bytes = [0; StateHasher::BYTES];
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> StateHasher {
        let mut hasher = StateHasher::default();
        for (key, value) in pairs {
            hasher.pair(key.as_bytes(), value.as_bytes());
        }
        hasher
    }

    #[test]
    fn what_was_added_can_be_taken_away_in_any_order() {
        let mut hasher = of(&[("a", "1"), ("b", "2"), ("c", "3")]);
        hasher.remove(b"a", b"1");
        hasher.remove(b"c", b"3");
        assert_eq!(hasher, of(&[("b", "2")]));
        hasher.remove(b"b", b"2");
        assert_eq!(hasher, StateHasher::default());
    }

    #[test]
    fn where_a_key_ends_matters_and_so_does_how_often_a_pair_was_added() {
        assert_ne!(of(&[("ab", "c")]), of(&[("a", "bc")]));
        assert_ne!(of(&[("a", "1"), ("a", "1")]), of(&[("a", "1")]));
        assert_ne!(of(&[("a", "1"), ("b", "2")]), of(&[("a", "2"), ("b", "1")]));
    }

    #[test]
    fn many_changes_are_added_as_few_are() {
        let keys: Vec<[u8; 4]> = (0..4096u32).map(u32::to_le_bytes).collect();
        let change = |number: usize| {
            let key = &keys[number][..];
            let old = (number.is_multiple_of(3)).then(|| vec![1]);
            let new = (number.is_multiple_of(2)).then_some(&[2][..]);
            Change { key, old, new }
        };
        let changes: Vec<Change<'_>> = (0..keys.len()).map(change).collect();
        let mut at_once = StateHasher::default();
        at_once.apply(&changes);
        let mut singly = StateHasher::default();
        changes.iter().for_each(|change| singly.change(change));
        assert_eq!(at_once, singly);
    }

    #[test]
    fn it_is_stored_and_read_back() {
        let hasher = of(&[("a", "1")]);
        assert_eq!(StateHasher::from_bytes(&hasher.to_bytes()), hasher);
    }

    /// The test vectors of `docs/formats.md`.
    #[test]
    fn the_digest_is_as_specified() {
        let formats = include_str!("../../../docs/formats.md");
        for (pairs, text) in [
            (&[][..], "no pairs"),
            (&[("k", "vv")], "`k` → `vv`"),
            (&[("a", "1"), ("b", "2")], "`a` → `1`, `b` → `2`"),
        ] {
            let row = format!("| {text} | `{}` |", of(pairs).finish());
            assert!(formats.contains(&row), "docs/formats.md lacks {row}");
        }
    }
}
