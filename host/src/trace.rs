//! What a module's cache is asked and told, recorded from outside.
//!
//! At each call of the host that reads or writes the state, what the cache took in since the last
//! one is read from its region, and the cache is emptied. So every lookup misses, and the read of
//! the state that follows shows it. Every insert is seen when the module makes it. The module needs
//! no hook, and cannot tell, since the cache changes speed only.

use std::collections::HashMap;

use steadfast::format::{RegionInfo, RegionReader, block_bytes, clear};

use crate::guest_info::GuestInfo;
use crate::state::Pair;

/// A key, by the order in which keys were first met.
pub type Key = usize;

/// One operation of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A lookup. What is missed is stored in a block of `fill` bytes, where it is stored at all.
    LookUp {
        /// The key.
        key: Key,
        /// Bytes of the block.
        fill: Option<u32>,
    },
    /// A write.
    Insert {
        /// The key.
        key: Key,
        /// Bytes of the block.
        bytes: u32,
    },
    /// A removal.
    Remove {
        /// The key.
        key: Key,
    },
}

/// The operations of a cache, in order.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    keys: HashMap<Vec<u8>, Key>,
    operations: Vec<Operation>,
    /// Lookups that missed without a read of the state: their keys are not known.
    pub unseen: u64,
    /// Entries that were evicted before they could be seen.
    pub lost: u64,
    /// The plan's expected entry, in bytes, once the module has opened its cache.
    pub expected_entry: Option<u32>,
    /// Bytes of the region that the module's own cache could have.
    pub region_bytes: u32,
}

impl Trace {
    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// The keys, each at the place of its number.
    pub fn keys_in_order(&self) -> Vec<&[u8]> {
        let mut keys = vec![&[][..]; self.keys.len()];
        for (key, &number) in &self.keys {
            keys[number] = key;
        }
        keys
    }

    /// The operations, in order.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// Notes that the module has opened its cache, over a region that may have so many bytes.
    pub(crate) fn opened(&mut self, expected_entry: u32, region_bytes: u32) {
        self.expected_entry = Some(expected_entry);
        self.region_bytes = region_bytes;
    }

    /// Adds a lookup. What is missed is stored in a block of `fill` bytes, if at all.
    pub(crate) fn look_up(&mut self, key: &[u8], fill: Option<u32>) {
        let key = self.key(key);
        self.operations.push(Operation::LookUp { key, fill });
    }

    /// Adds a write of a value of so many bytes; nothing where no cache can hold it.
    pub(crate) fn insert(&mut self, key: &[u8], value_bytes: u32) {
        if let Some(bytes) = block_bytes(key.len(), value_bytes as usize) {
            let key = self.key(key);
            self.operations.push(Operation::Insert { key, bytes });
        }
    }

    fn key(&mut self, key: &[u8]) -> Key {
        if let Some(&known) = self.keys.get(key) {
            return known;
        }
        let number = self.keys.len();
        self.keys.insert(key.to_vec(), number);
        number
    }
}

/// An entry that was found in the region.
struct Found {
    key: Vec<u8>,
    value_bytes: u32,
}

/// What happened in the cache since the last call.
#[derive(Default)]
struct Since {
    missed: u64,
    hit: u64,
    /// The entries taken in, in the order of their last use.
    found: Vec<Found>,
}

/// Counters of the region's header, as they were at the last call.
#[derive(Clone, Copy, Default)]
struct Counted {
    hits: u64,
    misses: u64,
    evicted: u64,
}

impl Counted {
    fn of(info: &RegionInfo) -> Self {
        Counted {
            hits: info.pools[MAIN].hits,
            misses: info.pools[MAIN].misses,
            evicted: info.pools[MAIN].evictions + info.displaced + info.window_evictions,
        }
    }
}

/// The pool of the indexer.
const MAIN: usize = 0;

/// Records one instance.
pub(crate) struct Recorder {
    info_at: u32,
    trace: Trace,
    counted: Counted,
    /// The last lookup: where it stands among the operations, and the length of the value that the
    /// host told.
    asked: Option<(usize, u32)>,
    /// What the block has flushed.
    flushed: Vec<Pair>,
    /// The value's length in the last write of each key in this block.
    written: HashMap<Key, u32>,
}

impl Recorder {
    pub fn new(info_at: u32, trace: Trace) -> Self {
        Recorder {
            info_at,
            trace,
            counted: Counted::default(),
            asked: None,
            flushed: Vec::new(),
            written: HashMap::new(),
        }
    }

    /// The host is asked for the length of a value, which is `value_bytes`.
    pub fn read(&mut self, key: &[u8], value_bytes: usize, memory: &mut [u8]) {
        let missed = self.take_in(memory);
        // Without a miss, the module asks the host past its cache.
        let Some(more) = missed.checked_sub(1) else {
            return;
        };
        self.trace.unseen += more;
        self.asked = Some((self.trace.operations.len(), value_bytes as u32));
        self.trace.look_up(key, None);
    }

    /// The module hands over what it writes.
    pub fn flush(&mut self, pairs: &[Pair], memory: &mut [u8]) {
        self.trace.unseen += self.take_in(memory);
        self.flushed.extend_from_slice(pairs);
    }

    /// The block is done.
    pub fn end_block(&mut self, memory: &mut [u8]) {
        let since = self.since(memory);
        self.trace.unseen += since.missed;
        let mut found: Vec<Option<Found>> = since.found.into_iter().map(Some).collect();
        let at: HashMap<Vec<u8>, usize> = found
            .iter()
            .flatten()
            .enumerate()
            .map(|(at, found)| (found.key.clone(), at))
            .collect();
        // A module that brings its cache up to date after the flush does so in the flush's order.
        for (key, value) in std::mem::take(&mut self.flushed) {
            if let Some(found) = at.get(&key).and_then(|&at| found[at].take()) {
                self.store(&found);
            } else if value.is_empty() {
                let key = self.trace.key(&key);
                if self.written.get(&key) != Some(&0) {
                    self.trace.operations.push(Operation::Remove { key });
                }
            }
        }
        for found in found.into_iter().flatten() {
            self.store(&found);
        }
        self.written.clear();
    }

    pub fn into_trace(self) -> Trace {
        self.trace
    }

    /// Notes what the cache took in since the last call. Returns the lookups that missed since
    /// then.
    fn take_in(&mut self, memory: &mut [u8]) -> u64 {
        let since = self.since(memory);
        for found in &since.found {
            self.store(found);
        }
        // What was found at once is found by a cache of any size: it holds the entries of so short
        // a time.
        if let Some(newest) = since.found.last() {
            let key = self.trace.key(&newest.key);
            let again = Operation::LookUp { key, fill: None };
            let operations = &mut self.trace.operations;
            operations.extend((0..since.hit).map(|_| again));
        }
        since.missed
    }

    /// Reads what happened since the last call, and empties the cache.
    fn since(&mut self, memory: &mut [u8]) -> Since {
        let asked = self.asked.take();
        let Some(region) = region(memory, self.info_at) else {
            return Since::default();
        };
        let Ok(reader) = RegionReader::of(region) else {
            return Since::default();
        };
        let now = Counted::of(reader.info());
        let before = std::mem::replace(&mut self.counted, now);
        self.trace
            .opened(reader.info().expected_entry, reader.info().limit);
        self.trace.lost += now.evicted.saturating_sub(before.evicted);
        let entries = reader.recent(MAIN).filter_map(|block| block.entry);
        let mut found: Vec<Found> = entries
            .map(|entry| Found {
                key: entry.key.to_vec(),
                value_bytes: entry.value_bytes,
            })
            .collect();
        found.reverse();
        if let Some(asked) = asked {
            self.fill(asked, &found);
        }
        // The header was just read, so this succeeds.
        let _ = clear(region);
        Since {
            missed: now.misses.saturating_sub(before.misses),
            hit: now.hits.saturating_sub(before.hits),
            found,
        }
    }

    /// Tells of the last lookup whether the cache kept what the host answered.
    fn fill(&mut self, (at, value_bytes): (usize, u32), found: &[Found]) {
        let Some(Operation::LookUp { key, fill }) = self.trace.operations.get_mut(at) else {
            return;
        };
        let stored = found
            .iter()
            .find(|found| self.trace.keys.get(&found.key) == Some(key));
        *fill = stored.and_then(|stored| block_bytes(stored.key.len(), value_bytes as usize));
    }

    fn store(&mut self, found: &Found) {
        let Some(bytes) = block_bytes(found.key.len(), found.value_bytes as usize) else {
            return;
        };
        let key = self.trace.key(&found.key);
        let is_fill = self.trace.operations.last()
            == Some(&Operation::LookUp {
                key,
                fill: Some(bytes),
            });
        if !is_fill {
            self.trace.insert(&found.key, found.value_bytes);
        }
        self.written.insert(key, found.value_bytes);
    }
}

/// The region that the instance info at an address names.
fn region(memory: &mut [u8], info_at: u32) -> Option<&mut [u8]> {
    let info = GuestInfo::at(info_at).read(memory)?;
    let start = info.region_start as usize;
    let end = start.checked_add(info.region_len as usize)?;
    memory.get_mut(start..end)
}
