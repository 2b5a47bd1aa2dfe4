//! Dropping what was written above a height, a few entries at a time if wanted.
//!
//! Each pool's list is walked from its oldest entry on. What is promoted or inserted meanwhile goes to the newest end, ahead of
//! the walk; where the walk has reached that end already, it goes back to what is then written above the height. So every entry
//! above the height is one that the walk still comes to, and once it is over there is none. A lookup answers nothing from above
//! the height until then.

use core::num::NonZeroU32;

use super::scope::Pool;
use super::store::{Care, Reading, Store};
use crate::region::{ENTRY_HEADER_BYTES, EntryHeader};

/// A walk that is not over yet.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Entries from above it are dropped.
    height: u32,
    /// The next entry to look at in each pool; 0 behind the newest.
    next: [u32; Pool::ALL.len()],
}

/// How far an invalidation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidated {
    /// Entries that this call dropped.
    pub dropped: usize,
    /// Whether no entry from above the height is left.
    pub done: bool,
}

impl Sweep {
    /// The next entry to look at, and the place where that stands.
    fn next_mut(&mut self) -> Option<&mut u32> {
        self.next.iter_mut().find(|at| **at != 0)
    }
}

impl Store {
    /// Looks at up to `steps` entries and drops those written above the height; goes on where the last call stopped. A walk for a
    /// lower height that is not over yet goes on instead: it drops those too.
    pub fn invalidate_above(&mut self, height: u32, steps: usize) -> Invalidated {
        let begun = self.sweep().filter(|sweep| sweep.height <= height);
        // A host that has emptied the region has ended the walk too.
        let begun = begun.filter(|_| self.region.header().sweep_above().is_some());
        let mut sweep = begun.unwrap_or_else(|| self.sweep_above(height));
        self.end_sweep();
        let mut dropped = 0;
        for _ in 0..steps {
            let Some(next) = sweep.next_mut() else { break };
            let at = *next;
            let Some(entry) = self.region.entry(at) else {
                self.start_over();
                break;
            };
            *next = entry.newer;
            if entry.height > sweep.height {
                if self.drop_entry(at).is_none() {
                    break;
                }
                dropped += 1;
            }
        }
        // After a fault there is nothing left to look at.
        let done = sweep.next_mut().is_none() || self.is_empty();
        if !done {
            self.begin_sweep(sweep);
        }
        Invalidated { dropped, done }
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
        let above = |height| self.region.entry(at).is_some_and(|own| own.height > height);
        self.sweep().is_some_and(|sweep| above(sweep.height))
    }

    /// What a lookup found in a cache that is not plain: dropped if it is invalid or forgotten, else passed over by the walk.
    #[cold]
    #[inline(never)]
    pub fn unless_gone(&mut self, at: NonZeroU32) -> Option<NonZeroU32> {
        if self.is_invalid(at.get()) || self.is_forgotten() {
            self.change(|store| store.drop_entry(at.get()));
            return None;
        }
        if let Some(other) = self.forgotten_beside(at.get()) {
            self.change(|store| store.drop_entry(other.get()))?;
        }
        self.pass_over(at.get());
        Some(at)
    }

    /// Moves the walk on from an entry that is about to leave its place in the list.
    #[inline]
    pub fn pass_over(&mut self, at: u32) {
        if !self.is_plain() {
            self.move_on_from(at);
        }
    }

    #[cold]
    #[inline(never)]
    fn move_on_from(&mut self, at: u32) {
        let Some(EntryHeader { newer, .. }) = self.region.entry(at).copied() else {
            return;
        };
        if let Some(sweep) = self.sweep_mut() {
            for next in sweep.next.iter_mut().filter(|next| **next == at) {
                *next = newer;
            }
        }
    }

    /// Has the walk look at the newest entry of its pool, which was just written, where it must and would not.
    #[inline]
    pub fn look_back(&mut self, at: u32) {
        if !self.is_plain() {
            self.move_back_to(at);
        }
    }

    #[cold]
    #[inline(never)]
    fn move_back_to(&mut self, at: u32) {
        let Some(entry) = self.region.entry(at).copied() else {
            return;
        };
        if let Some(sweep) = self.sweep_mut() {
            let is_above = entry.height > sweep.height;
            let next = sweep.next.get_mut(entry.pool());
            if let Some(next) = next.filter(|next| is_above && **next == 0) {
                *next = at;
            }
        }
    }

    /// A walk over every pool, from its beginning.
    fn sweep_above(&self, height: u32) -> Sweep {
        let oldest = |pool: Pool| self.region.header().pool(pool.number()).oldest;
        Sweep {
            height,
            next: Pool::ALL.map(oldest),
        }
    }

    fn sweep(&self) -> Option<Sweep> {
        match &self.reading {
            Reading::Careful(care) => care.sweep,
            Reading::Plain => None,
        }
    }

    fn sweep_mut(&mut self) -> Option<&mut Sweep> {
        match &mut self.reading {
            Reading::Careful(care) => care.sweep.as_mut(),
            Reading::Plain => None,
        }
    }

    fn set_sweep(&mut self, sweep: Option<Sweep>) {
        self.set_care(Care {
            sweep,
            ..self.care()
        });
    }

    /// Notes a walk that is not over yet, also for whoever takes over the image.
    fn begin_sweep(&mut self, sweep: Sweep) {
        self.set_sweep(Some(sweep));
        self.region.header_mut().set_sweep(Some(sweep.height));
    }

    /// Goes on with the walk that was not over when the image was taken, from its beginning.
    pub fn resume_sweep(&mut self, height: u32) {
        let sweep = self.sweep_above(height);
        self.set_sweep(Some(sweep));
    }

    /// Forgets a walk that is not over yet.
    pub fn end_sweep(&mut self) {
        if self.sweep().is_some() {
            self.set_sweep(None);
            self.region.header_mut().set_sweep(None);
        }
    }
}
