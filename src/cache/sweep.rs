//! Where a walk stands that drops what was written above a height.
//!
//! Each pool's list is walked from its oldest entry on. What is promoted or inserted meanwhile goes
//! to the newest end, ahead of the walk. Where the walk has reached that end already, it goes back
//! to what is then written above the height.
//!
//! Invariant: every entry above the height is one that the walk still comes to. So once it is over
//! there is none.

use super::scope::Pool;
use crate::region::{EntryHeader, RegionView};

/// A walk that is not over yet.
#[derive(Clone, Copy, Debug)]
pub struct Sweep {
    /// Entries from above it are dropped.
    pub height: u32,
    /// The next entry to look at in each pool; 0 behind the newest.
    next: [u32; Pool::ALL.len()],
}

impl Sweep {
    /// A walk over every pool, from its beginning.
    pub fn new(region: &RegionView, height: u32) -> Sweep {
        let oldest = |pool: Pool| region.header().pool(pool.number()).oldest;
        Sweep {
            height,
            next: Pool::ALL.map(oldest),
        }
    }

    /// The next entry to look at, and the place where that stands.
    pub fn next_mut(&mut self) -> Option<&mut u32> {
        self.next.iter_mut().find(|at| **at != 0)
    }

    /// Whether it drops this entry.
    pub fn drops(&self, entry: &EntryHeader) -> bool {
        entry.height > self.height
    }

    /// Moves on from an entry that is about to leave its place in the list.
    pub fn pass_over(&mut self, at: u32, entry: &EntryHeader) {
        for next in self.next.iter_mut().filter(|next| **next == at) {
            *next = entry.newer;
        }
    }

    /// Goes back to the newest entry of its pool, which was just written, where it must look at
    /// that and would not.
    pub fn look_back(&mut self, at: u32, entry: &EntryHeader) {
        let drops = self.drops(entry);
        let next = self.next.get_mut(entry.pool());
        if let Some(next) = next.filter(|next| drops && **next == 0) {
            *next = at;
        }
    }
}
