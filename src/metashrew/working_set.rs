//! The values of the block at hand: those that it has written, flushed as metashrew-core flushes
//! them, and the large ones that it has read.
//!
//! metashrew-core queues the key of each `set`, and a flush hands out the queue with each key's
//! last value: a key that was set twice goes out twice. Hosts keep every pair of a flush, so
//! repeats and their order are part of what nodes must agree on.
//!
//! A host does not give a block's writes back before the block ends, and the cache may have lost
//! any of them. So the values stay here until the next block begins. Where the value of a flushed
//! key is no longer here, the host alone answers, with what it held before the block: the cache
//! must not take that for what it holds afterwards.
//!
//! Large values that were read stay here too, so that reading one again copies nothing. Which ones
//! depends on the block's own reads and the plan, never on what the cache holds. So the heap is the
//! same whether the cache is warm, cold or off.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::keyed::Keyed;
use crate::cache::HashedKey;

/// Shorter values that were only read do not stay: to copy one costs about as much as to look it
/// up.
const LEAST_READ_BYTES: usize = 4 << 10;

/// Whether a flush of this block has handed out a value of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushed {
    Never,
    /// The value that is held.
    This,
    /// Another one.
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Set, and part of the next flush.
    Queued,
    /// Set, and part of no flush to come.
    Written,
    /// Read from the cache or the host.
    Read,
}

#[derive(Debug)]
struct Held {
    /// The value that was set last, or read; nothing where it has been forgotten.
    value: Option<Arc<Vec<u8>>>,
    origin: Origin,
    flushed: Flushed,
}

/// Who answers a key.
#[derive(Debug)]
pub enum Answer<'a> {
    /// The block itself.
    Own(&'a Arc<Vec<u8>>),
    /// The cache, or else the host.
    CacheOrHost,
    /// The host, and the cache is not told of it.
    HostAlone,
}

#[derive(Debug)]
pub struct WorkingSet {
    values: Keyed<Held>,
    /// The position in `values` of each `set` that is still to be flushed.
    queue: Vec<u32>,
    /// The positions in `values` of what was read.
    read: Vec<u32>,
    /// At least the bytes of the keys and values at those positions.
    read_bytes: usize,
}

impl WorkingSet {
    pub const fn new() -> Self {
        Self {
            values: Keyed::new(),
            queue: Vec::new(),
            read: Vec::new(),
            read_bytes: 0,
        }
    }

    /// Who answers a key.
    #[inline]
    pub fn answer(&mut self, key: &HashedKey<&[u8]>) -> Answer<'_> {
        match self.values.get_hashed(key) {
            None => Answer::CacheOrHost,
            Some(held) => match &held.value {
                Some(value) => Answer::Own(value),
                None if held.flushed == Flushed::Never => Answer::CacheOrHost,
                None => Answer::HostAlone,
            },
        }
    }

    /// Whether the cache may be told that a key has this value by the program: not while another
    /// one waits for its flush, or was flushed and is no longer known.
    pub fn may_be_cached(&mut self, key: &[u8]) -> bool {
        self.values
            .get(key)
            .is_none_or(|held| held.origin != Origin::Queued && held.flushed != Flushed::Other)
    }

    /// Whether the next flush hands out a value of this key.
    pub fn is_queued(&mut self, key: &[u8]) -> bool {
        self.values
            .get(key)
            .is_some_and(|held| held.origin == Origin::Queued)
    }

    /// All values, in the order in which their keys came.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Vec<u8>>, &Arc<Vec<u8>>)> {
        let values = self.values.iter();
        values.filter_map(|(key, held)| Some((key, held.value.as_ref()?)))
    }

    pub fn set(&mut self, key: &Arc<Vec<u8>>, value: Arc<Vec<u8>>) {
        let position = self.hold(key, value, Origin::Queued);
        self.queue.push(position);
    }

    /// Holds a value that was just read, if it is large. All those together take at most `limit`
    /// bytes: where this one would exceed that, the others are forgotten first.
    #[inline]
    pub fn keep(
        &mut self,
        key: &Arc<Vec<u8>>,
        value: &Arc<Vec<u8>>,
        limit: impl FnOnce() -> usize,
    ) {
        if value.len() >= LEAST_READ_BYTES {
            self.keep_large(key, value, limit());
        }
    }

    #[cold]
    fn keep_large(&mut self, key: &Arc<Vec<u8>>, value: &Arc<Vec<u8>>, limit: usize) {
        let bytes = key.len() + value.len();
        if self.read_bytes + bytes > limit {
            self.forget_read();
        }
        if bytes <= limit {
            let position = self.hold(key, value.clone(), Origin::Read);
            self.read.push(position);
            self.read_bytes += bytes;
        }
    }

    fn hold(&mut self, key: &Arc<Vec<u8>>, value: Arc<Vec<u8>>, origin: Origin) -> u32 {
        let (position, held) = self.values.entry(key, || Held {
            value: None,
            origin,
            flushed: Flushed::Never,
        });
        held.value = Some(value);
        held.origin = origin;
        if held.flushed == Flushed::This {
            held.flushed = Flushed::Other;
        }
        position
    }

    /// Forgets what was only read.
    pub fn forget_read(&mut self) {
        for position in core::mem::take(&mut self.read) {
            let (_, held) = self.values.at_mut(position);
            if held.origin == Origin::Read {
                held.value = None;
            }
        }
        self.read_bytes = 0;
    }

    /// The pairs of a flush: one for each `set`, in that order, with its key's last value.
    pub fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
        self.queue.iter().map(|&position| {
            let (key, held) = self.values.at(position);
            let value = held.value.as_ref().map_or(&[][..], |value| value);
            (key.as_slice(), value)
        })
    }

    /// Empties the queue: its pairs were flushed. Shows each key and its value once.
    pub fn flushed(&mut self, mut show: impl FnMut(&HashedKey<&[u8]>, &[u8])) {
        for position in core::mem::take(&mut self.queue) {
            let (_, held) = self.values.at_mut(position);
            if held.origin == Origin::Queued {
                (held.origin, held.flushed) = (Origin::Written, Flushed::This);
                let (_, held) = self.values.at(position);
                let value = held.value.as_ref().map_or(&[][..], |value| value);
                show(&self.values.hashed_at(position), value);
            }
        }
    }

    /// Empties the queue, and flushes none of it. The values can still be read.
    pub fn reset(&mut self) {
        for position in core::mem::take(&mut self.queue) {
            let (_, held) = self.values.at_mut(position);
            if held.origin == Origin::Queued {
                held.origin = Origin::Written;
            }
        }
    }

    /// Forgets what is not queued: the next block begins. If it may be the same block once more,
    /// the keys that were flushed stay known, without their values.
    pub fn begin_block(&mut self, may_be_same: bool) {
        let mut next = match may_be_same {
            true => self.flushed_keys(|_| false),
            false => Self::new(),
        };
        for &position in &self.queue {
            let (key, held) = self.values.at(position);
            if let Some(value) = &held.value {
                next.set(key, value.clone());
            }
        }
        *self = next;
    }

    /// Forgets what was read, and what was set and not flushed.
    pub fn forget_unflushed(&mut self) {
        *self = self.flushed_keys(|held| held.flushed == Flushed::This);
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        *self = self.flushed_keys(|_| false);
    }

    /// The keys that were flushed, and such of their values as stay.
    fn flushed_keys(&self, stays: impl Fn(&Held) -> bool) -> Self {
        let mut flushed = Self::new();
        for (key, held) in self.values.iter() {
            if held.flushed != Flushed::Never {
                let value = held.value.as_ref().filter(|_| stays(held));
                flushed.values.entry(key, || Held {
                    value: value.cloned(),
                    origin: Origin::Written,
                    flushed: match value {
                        Some(_) => held.flushed,
                        None => Flushed::Other,
                    },
                });
            }
        }
        flushed
    }
}
