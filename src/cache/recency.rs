//! The recency lists, one for each pool: doubly linked through the entries, newest to oldest.

use super::store::Store;
use crate::region::EntryHeader;

impl Store {
    /// Makes an entry that is in no list the newest of its pool.
    pub fn link_newest(&mut self, at: u32, pool: usize) {
        let shift = self.region.geometry().stamp_shift;
        let header = self.region.header_mut();
        let stamp = header.tick(shift);
        let pool = header.pool_mut(pool);
        let second = pool.newest;
        pool.newest = at;
        if second == 0 {
            pool.oldest = at;
        } else if let Some(entry) = self.region.entry_mut(second) {
            entry.newer = at;
        }
        if let Some(entry) = self.region.entry_mut(at) {
            entry.newer = 0;
            entry.older = second;
            entry.set_stamp(stamp);
        }
    }

    /// Takes an entry with this header out of its pool's list. Its own links keep their values.
    pub fn unlink(&mut self, at: u32, entry: &EntryHeader) {
        let (newer, older, pool) = (entry.newer, entry.older, entry.pool());
        self.pass_over(at);
        match self.region.entry_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.region.header_mut().pool_mut(pool).newest = older,
        }
        match self.region.entry_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.region.header_mut().pool_mut(pool).oldest = newer,
        }
    }

    /// Makes an entry that is in its pool's list the newest of it. No walk over the list is at it.
    #[inline]
    pub fn promote(&mut self, at: u32, pool: usize) {
        let second = self.region.header().pool(pool).newest;
        if second == at {
            return;
        }
        let shift = self.region.geometry().stamp_shift;
        let stamp = self.region.header_mut().tick(shift);
        let Some(entry) = self.region.entry_mut(at) else {
            return;
        };
        let (newer, older) = (entry.newer, entry.older);
        (entry.newer, entry.older) = (0, second);
        entry.set_stamp(stamp);
        if let Some(entry) = self.region.entry_mut(newer) {
            entry.older = older;
        }
        match self.region.entry_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.region.header_mut().pool_mut(pool).oldest = newer,
        }
        if let Some(entry) = self.region.entry_mut(second) {
            entry.newer = at;
        }
        self.region.header_mut().pool_mut(pool).newest = at;
    }
}
