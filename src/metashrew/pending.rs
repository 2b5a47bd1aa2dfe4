//! The writes of the block at hand, flushed as metashrew-core flushes them.
//!
//! metashrew-core queues the key of each `set`, and a flush hands out the queue with each key's last
//! value: a key that was set twice goes out twice. Hosts keep every pair of a flush, so repeats and
//! their order are part of what nodes must agree on.
//!
//! A host does not give a block's writes back before the block ends, and the cache may have lost any
//! of them. So the values stay here until the next block begins.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::keyed::Keyed;

#[derive(Debug)]
struct Written {
    /// The value that was set last.
    value: Arc<Vec<u8>>,
    /// Whether the next flush hands it out.
    is_queued: bool,
}

#[derive(Debug)]
pub struct Pending {
    values: Keyed<Written>,
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

    /// The value that the block has set last.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&Arc<Vec<u8>>> {
        Some(&self.values.get(key)?.value)
    }

    /// Whether the next flush hands out a value of this key.
    pub fn is_queued(&self, key: &[u8]) -> bool {
        self.values
            .get(key)
            .is_some_and(|written| written.is_queued)
    }

    pub fn set(&mut self, key: &Arc<Vec<u8>>, value: Arc<Vec<u8>>) {
        let first = value.clone();
        let (position, written) = self.values.entry(key, || Written {
            value: first,
            is_queued: true,
        });
        *written = Written {
            value,
            is_queued: true,
        };
        self.queue.push(position);
    }

    /// The pairs of a flush: one for each `set`, in that order, with its key's last value.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.queue.iter().map(|&position| {
            let (key, written) = self.values.at(position);
            (key.as_slice(), written.value.as_slice())
        })
    }

    /// Empties the queue: its pairs were flushed. Shows each key once.
    pub fn flushed(&mut self, mut show: impl FnMut(&[u8], &[u8])) {
        for position in core::mem::take(&mut self.queue) {
            let (key, written) = self.values.at_mut(position);
            if core::mem::take(&mut written.is_queued) {
                show(key, &written.value);
            }
        }
    }

    /// Empties the queue, and flushes none of it. The values can still be read.
    pub fn reset(&mut self) {
        self.flushed(|_, _| {});
    }

    /// Forgets what is not queued: the next block begins.
    pub fn begin_block(&mut self) {
        let mut queued = Self::new();
        for &position in &self.queue {
            let (key, written) = self.values.at(position);
            queued.set(key, written.value.clone());
        }
        *self = queued;
    }

    /// Forgets everything, and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::new();
    }
}
