//! What an allocator handed out and got back, by call stack.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use crate::bounds::{Bound, Bounds, Exceeded};

use super::call_tree::Node;
use super::timeline::Timeline;

/// A block that is given back before so many further requests is short-lived.
pub const SHORT_LIVED: u64 = 100;
/// The largest requests that are kept.
const LARGEST: usize = 10;

/// Blocks, and their bytes as the program asked for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Blocks.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, more: Amount) {
        self.blocks += more.blocks;
        self.bytes += more.bytes;
    }

    fn take(&mut self, less: Amount) {
        self.blocks -= less.blocks;
        self.bytes -= less.bytes;
    }
}

/// What one call stack asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Site {
    /// All that it was ever given.
    pub total: Amount,
    /// What is in use.
    pub live: Amount,
    /// What was in use when the heap held the most.
    pub peak: Amount,
    /// The most that it had in use.
    pub most: Amount,
    /// Requests that were made while its blocks lived, of all of them together.
    pub lifetimes: u64,
    /// Blocks that were given back at once.
    pub short_lived: u64,
    /// `live` has changed since `peak` was taken.
    is_changed: bool,
}

/// A request that stands out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub bytes: u32,
    pub times: u64,
    pub stack: Option<Node>,
}

/// What is counted of all stacks together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests for a new block.
    pub allocations: u64,
    /// Requests for another size of a block.
    pub reallocations: u64,
    /// Blocks given back.
    pub frees: u64,
    /// Requests that were answered with null.
    pub refused: u64,
    /// Blocks that were handed out again while they seemed to be in use: nobody reported that they
    /// were given back.
    pub unseen_frees: u64,
    /// Blocks that were given back and that nobody had reported.
    pub unseen_allocations: u64,
    /// Requests until the heap held the most.
    pub requests_at_peak: u64,
}

impl Counts {
    /// Requests so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.allocations + self.reallocations
    }
}

/// A block in use.
#[derive(Clone, Copy)]
struct Live {
    bytes: u32,
    /// What it stands for: itself, and others like it where not every block is looked at.
    amount: Amount,
    stack: Option<Node>,
    born: u64,
}

/// What is known of a heap.
pub(super) struct Recorder {
    every: u64,
    /// Bytes asked for since the last block that was looked at.
    since: u64,
    bounds: Bounds,
    live_blocks: BTreeMap<u32, Live>,
    sites: HashMap<Option<Node>, Site>,
    /// Sites whose `live` has changed since the last peak was taken.
    changed: Vec<Option<Node>>,
    live: Amount,
    peak: Amount,
    /// The heap holds the most that it ever did, and the sites have not noted it.
    is_peak: bool,
    pub counts: Counts,
    pub timeline: Timeline,
    largest: Vec<Request>,
    pub last_refused: Option<Request>,
}

impl Recorder {
    /// One that looks at a block about every so many bytes; with 0, at each.
    pub fn new(every: u64, bounds: Bounds) -> Self {
        Recorder {
            every,
            since: 0,
            bounds,
            live_blocks: BTreeMap::new(),
            sites: HashMap::new(),
            changed: Vec::new(),
            live: Amount::default(),
            peak: Amount::default(),
            is_peak: false,
            counts: Counts::default(),
            timeline: Timeline::default(),
            largest: Vec::new(),
            last_refused: None,
        }
    }

    /// A block was asked for, and the answer is `block`; 0 is none, of no size nothing at all.
    /// `stack` is called where the block is looked at.
    pub fn allocated(
        &mut self,
        block: u32,
        bytes: u32,
        stack: impl FnOnce() -> Result<Option<Node>, Exceeded>,
    ) -> Result<(), Exceeded> {
        if block == 0 && bytes == 0 {
            return Ok(());
        }
        self.counts.allocations += 1;
        self.hand_out(block, bytes, stack)
    }

    /// As [`allocated`](Self::allocated), of a block that takes the place of an old one; 0 is none.
    pub fn resized(
        &mut self,
        old: u32,
        block: u32,
        bytes: u32,
        stack: impl FnOnce() -> Result<Option<Node>, Exceeded>,
    ) -> Result<(), Exceeded> {
        self.counts.reallocations += 1;
        // A block that cannot be resized stays; one that gets no size is given back.
        if old != 0 && (block != 0 || bytes == 0) {
            self.take_back(old, false);
        }
        self.hand_out(block, bytes, stack)
    }

    /// A block was given back; 0 is none.
    pub fn freed(&mut self, block: u32) {
        if block != 0 {
            self.counts.frees += 1;
            self.take_back(block, true);
        }
    }

    fn hand_out(
        &mut self,
        block: u32,
        bytes: u32,
        stack: impl FnOnce() -> Result<Option<Node>, Exceeded>,
    ) -> Result<(), Exceeded> {
        if block == 0 {
            if bytes > 0 {
                self.counts.refused += 1;
                self.last_refused = Some(Request {
                    bytes,
                    times: 1,
                    stack: stack()?,
                });
            }
            return Ok(());
        }
        self.forget_overlapped(block, bytes);
        let Some(amount) = self.stands_for(bytes) else {
            return Ok(());
        };
        let stack = stack()?;
        self.note_size(bytes, stack);
        let known = self.live_blocks.len() as u64;
        self.bounds.check(Bound::ProfiledBlocks, known + 1)?;
        let born = self.counts.requests();
        let live = Live {
            bytes,
            amount,
            stack,
            born,
        };
        self.live_blocks.insert(block, live);
        let site = self.changing(stack);
        site.total.add(amount);
        site.live.add(amount);
        if site.live.bytes >= site.most.bytes {
            site.most = site.live;
        }
        self.live.add(amount);
        if self.live.bytes >= self.peak.bytes {
            self.peak = self.live;
            self.is_peak = true;
            self.counts.requests_at_peak = born;
        }
        self.timeline.note(born, self.live.bytes);
        Ok(())
    }

    /// What a block stands for; `None` if it is not looked at. A block of `every` bytes or more
    /// always is, and stands for itself; of smaller ones, one for every so many bytes stands
    /// for all of these.
    fn stands_for(&mut self, bytes: u32) -> Option<Amount> {
        let size = u64::from(bytes);
        if size >= self.every {
            return Some(Amount {
                blocks: 1,
                bytes: size,
            });
        }
        self.since += size;
        if self.since < self.every {
            return None;
        }
        self.since -= self.every;
        Some(Amount {
            blocks: self.every / size,
            bytes: self.every,
        })
    }

    fn take_back(&mut self, block: u32, ends: bool) {
        match self.live_blocks.remove(&block) {
            Some(live) => self.drop_live(live, ends),
            // Of some blocks nothing is known where not each is looked at.
            None => self.counts.unseen_allocations += u64::from(self.every == 0),
        }
    }

    /// Blocks where a new one stands are not in use any more.
    fn forget_overlapped(&mut self, block: u32, bytes: u32) {
        let end = block.saturating_add(bytes.max(1));
        while let Some((&start, &live)) = self.live_blocks.range(..end).next_back() {
            let reaches = u64::from(start) + u64::from(live.bytes.max(1));
            if start < block && reaches <= u64::from(block) {
                break;
            }
            self.forget(start);
        }
    }

    /// Blocks that begin at these addresses are not in use any more.
    pub fn forget_in(&mut self, addresses: Range<u32>) {
        while let Some((&start, _)) = self.live_blocks.range(addresses.clone()).next() {
            self.forget(start);
        }
    }

    /// The block at this address was given back, and nobody reported that.
    fn forget(&mut self, block: u32) {
        if let Some(live) = self.live_blocks.remove(&block) {
            self.counts.unseen_frees += 1;
            self.drop_live(live, false);
        }
    }

    /// `ends` where it was given back by itself: it may have been short-lived.
    fn drop_live(&mut self, live: Live, ends: bool) {
        self.note_peak();
        let age = self.counts.requests() - live.born;
        let site = self.changing(live.stack);
        site.live.take(live.amount);
        site.lifetimes += age * live.amount.blocks;
        if ends && age < SHORT_LIVED {
            site.short_lived += live.amount.blocks;
        }
        self.live.take(live.amount);
    }

    /// The site of a stack, whose `live` is about to change.
    fn changing(&mut self, stack: Option<Node>) -> &mut Site {
        let site = self.sites.entry(stack).or_default();
        if !site.is_changed {
            site.is_changed = true;
            self.changed.push(stack);
        }
        site
    }

    /// Notes what each site holds at the peak, just before the heap holds less again. Costs no more
    /// than the changes since the last time.
    fn note_peak(&mut self) {
        if !std::mem::take(&mut self.is_peak) {
            return;
        }
        for stack in self.changed.drain(..) {
            let site = self.sites.entry(stack).or_default();
            site.peak = site.live;
            site.is_changed = false;
        }
    }

    fn note_size(&mut self, bytes: u32, stack: Option<Node>) {
        let is_same = |it: &&mut Request| it.bytes == bytes && it.stack == stack;
        if let Some(same) = self.largest.iter_mut().find(is_same) {
            same.times += 1;
            return;
        }
        let place = self.largest.partition_point(|it| it.bytes >= bytes);
        if place < LARGEST {
            self.largest.truncate(LARGEST - 1);
            let times = 1;
            self.largest.insert(
                place,
                Request {
                    bytes,
                    times,
                    stack,
                },
            );
        }
    }

    /// Ends the recording.
    pub fn end(&mut self) {
        self.note_peak();
        let now = self.counts.requests();
        for live in self.live_blocks.values() {
            let site = self.sites.entry(live.stack).or_default();
            site.lifetimes += (now - live.born) * live.amount.blocks;
        }
    }

    /// What was in use at the peak.
    pub fn peak(&self) -> Amount {
        self.peak
    }

    /// What is in use.
    pub fn live(&self) -> Amount {
        self.live
    }

    pub fn sites(&self) -> impl Iterator<Item = (Option<Node>, &Site)> {
        self.sites.iter().map(|(stack, site)| (*stack, site))
    }

    /// The largest requests, largest first.
    pub fn largest(&self) -> &[Request] {
        &self.largest
    }
}
