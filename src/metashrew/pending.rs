//! The writes of the block at hand, flushed as metashrew-core flushes them.
//!
//! metashrew-core queues the key of each `set`, and a flush hands out the queue with each key's last
//! value: a key that was set twice goes out twice. Hosts keep every pair of a flush, so repeats and
//! their order are part of what nodes must agree on.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::keyed::Keyed;

#[derive(Debug)]
pub struct Pending {
    /// The last value of each key that was set.
    values: Keyed<Arc<Vec<u8>>>,
    /// The position in `values` of each `set` that is still to be flushed.
    queue: Vec<u32>,
}

impl Pending {
    pub const fn new() -> Self {
        Self {
            values: Keyed::new(),
            queue: Vec::new(),
        }
    }

    /// The value that was set last, also if a [`reset`](Self::reset) has taken it from the queue.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&Arc<Vec<u8>>> {
        self.values.get(key)
    }

    pub fn set(&mut self, key: &Arc<Vec<u8>>, value: Arc<Vec<u8>>) {
        let first = value.clone();
        let (position, last) = self.values.entry(key, || first);
        *last = value;
        self.queue.push(position);
    }

    /// The pairs of a flush: one for each `set`, in that order, with its key's last value.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.queue.iter().map(|&position| {
            let (key, value) = self.values.at(position);
            (key.as_slice(), value.as_slice())
        })
    }

    /// The keys that were set.
    pub fn keys(&self) -> impl Iterator<Item = &Arc<Vec<u8>>> {
        self.values.iter().map(|(key, _)| key)
    }

    /// Empties the queue. The values can still be read.
    pub fn reset(&mut self) {
        self.queue = Vec::new();
    }

    /// Forgets everything, and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}
