//! The recency list: doubly linked through the entries, newest to oldest.

use super::store::Store;

impl Store {
    /// Makes an entry that is in no list the newest.
    pub fn link_newest(&mut self, at: u32) {
        let shift = self.region.geometry().stamp_shift;
        let header = self.region.header_mut();
        let stamp = header.stamp(shift);
        let pool = &mut header.pools[0];
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

    /// Takes an entry out of the list. Its own links keep their values.
    pub fn unlink(&mut self, at: u32) {
        let Some(entry) = self.region.entry(at) else {
            return;
        };
        let (newer, older) = (entry.newer, entry.older);
        match self.region.entry_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.region.header_mut().pools[0].newest = older,
        }
        match self.region.entry_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.region.header_mut().pools[0].oldest = newer,
        }
    }

    /// Makes an entry that is in the list the newest.
    #[inline]
    pub fn promote(&mut self, at: u32) {
        let second = self.region.header().pools[0].newest;
        if second != at {
            self.splice(at, second);
        }
    }

    /// Makes an entry that is in the list, and not its newest, the newest in front of `second`.
    fn splice(&mut self, at: u32, second: u32) {
        let shift = self.region.geometry().stamp_shift;
        let stamp = self.region.header().stamp(shift);
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
            None => self.region.header_mut().pools[0].oldest = newer,
        }
        if let Some(entry) = self.region.entry_mut(second) {
            entry.newer = at;
        }
        self.region.header_mut().pools[0].newest = at;
    }
}
