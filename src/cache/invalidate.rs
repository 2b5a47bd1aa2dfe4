//! Dropping what was written above a height, a few entries at a time if wanted.
//!
//! Each pool's list is walked from its oldest entry on. What is promoted or inserted meanwhile goes to the newest end, ahead of
//! the walk, so nothing is passed over; and a lookup answers nothing from above the height until the walk is over.

use core::num::NonZeroU32;

use super::scope::Pool;
use super::store::{Reading, Store};
use crate::region::ENTRY_HEADER_BYTES;

/// A walk that is not over yet.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Entries from above it are dropped.
    height: u32,
    /// The pool that is being walked.
    pool: Pool,
    /// The next entry to look at; 0 behind the newest.
    at: u32,
}

/// How far an invalidation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidated {
    /// Entries that this call dropped.
    pub dropped: usize,
    /// Whether every entry has been looked at.
    pub done: bool,
}

impl Store {
    /// Looks at up to `steps` entries and drops those written above the height; goes on where the last call stopped.
    pub fn invalidate_above(&mut self, height: u32, steps: usize) -> Invalidated {
        let begun = self.sweep().filter(|sweep| sweep.height <= height);
        let first = begun.unwrap_or_else(|| self.sweep_above(height));
        self.end_sweep();
        let mut next = self.skip_ends(first);
        let mut dropped = 0;
        for _ in 0..steps {
            let Some(sweep) = &mut next else { break };
            let at = sweep.at;
            let Some(entry) = self.region.entry(at) else {
                self.start_over();
                break;
            };
            sweep.at = entry.newer;
            if entry.height > sweep.height {
                if self.drop_entry(at).is_none() {
                    break;
                }
                dropped += 1;
            }
            next = next.and_then(|sweep| self.skip_ends(sweep));
        }
        // After a fault there is nothing left to look at.
        let left = next.filter(|_| !self.is_empty());
        if let Some(sweep) = left {
            self.reading = Reading::Sweeping(sweep);
            self.region.header_mut().set_sweep(Some(sweep.height));
        }
        Invalidated {
            dropped,
            done: left.is_none(),
        }
    }

    /// As [`invalidate_above`](Self::invalidate_above), to the end. Returns how many entries it dropped.
    pub fn invalidate_all_above(&mut self, height: u32) -> usize {
        let entries = self.arena_bytes() / ENTRY_HEADER_BYTES;
        let Invalidated { dropped, done } = self.invalidate_above(height, entries as usize);
        if !done {
            // More steps than there can be entries: the links form a circle.
            self.start_over();
        }
        dropped
    }

    /// Whether a walk that is not over yet will drop the entry at an offset.
    pub fn is_invalid(&self, at: u32) -> bool {
        match (&self.reading, self.region.entry(at)) {
            (Reading::Sweeping(sweep), Some(entry)) => entry.height > sweep.height,
            _ => false,
        }
    }

    /// What a lookup found while a walk is not over: dropped if the walk would drop it, else passed over.
    #[cold]
    pub fn unless_invalid(&mut self, at: NonZeroU32) -> Option<NonZeroU32> {
        if self.is_invalid(at.get()) {
            self.change(|store| store.drop_entry(at.get()));
            return None;
        }
        self.pass_over(at.get());
        Some(at)
    }

    /// Moves the walk on from an entry that is about to leave its place in the list.
    #[inline]
    pub fn pass_over(&mut self, at: u32) {
        if let (Reading::Sweeping(sweep), Some(entry)) = (&mut self.reading, self.region.entry(at))
        {
            if sweep.at == at {
                sweep.at = entry.newer;
            }
        }
    }

    /// A walk over every pool, from its beginning.
    pub fn sweep_above(&self, height: u32) -> Sweep {
        self.sweep_from(height, Pool::Main)
    }

    fn sweep(&self) -> Option<Sweep> {
        match self.reading {
            Reading::Sweeping(sweep) => Some(sweep),
            Reading::Plain | Reading::Frozen => None,
        }
    }

    /// Forgets a walk that is not over yet. A cache that is frozen stays so.
    pub fn end_sweep(&mut self) {
        if let Reading::Sweeping(_) = self.reading {
            self.reading = Reading::Plain;
            self.region.header_mut().set_sweep(None);
        }
    }

    fn sweep_from(&self, height: u32, pool: Pool) -> Sweep {
        let at = self.region.header().pool(pool.number()).oldest;
        Sweep { height, pool, at }
    }

    /// Goes on to the next pool that has entries where a list is at its end; nothing when there is none.
    fn skip_ends(&self, mut sweep: Sweep) -> Option<Sweep> {
        while sweep.at == 0 {
            let next = Pool::ALL.get(sweep.pool.number() + 1)?;
            sweep = self.sweep_from(sweep.height, *next);
        }
        Some(sweep)
    }
}
