//! The recency lists, one for each pool: doubly linked through the entries, newest to oldest.
//!
//! Invariants: each entry is in the list of the pool that its header names, and of no other; both
//! ends of a list stand in the pool's account; an entry's stamp is not younger than its newer
//! neighbour's but where the clock has wrapped.

use super::invalid::CacheError;
use super::scope::Pool;
use crate::region::{BLOCK_ALIGN, EntryHeader, RegionView};

/// The recency lists of a region, to be read or to be written.
#[derive(Clone, Copy)]
pub struct Recency<R>(pub R);

impl Recency<&RegionView> {
    /// Walks a pool's list from the newest entry, and shows each. As every entry must link back to
    /// the one that led to it, none can be met twice.
    pub fn validate(
        self,
        of: Pool,
        mut show: impl FnMut(u32, &EntryHeader) -> Result<(), CacheError>,
    ) -> Result<(), CacheError> {
        let pool = self.0.header().pool(of.number());
        let (mut at, mut newer, mut walked) = (pool.newest, 0, 0_u32);
        while at != 0 && walked < pool.entries {
            let entry = self.0.entry(at).ok_or(CacheError::EntryBounds { at })?;
            if at % BLOCK_ALIGN != 0 || entry.newer != newer {
                return Err(CacheError::Link { at });
            }
            if entry.pool() != of.number() {
                return Err(CacheError::Pool { at });
            }
            show(at, entry)?;
            walked += 1;
            (newer, at) = (at, entry.older);
        }
        if at != 0 || walked != pool.entries || pool.oldest != newer {
            return Err(CacheError::List {
                walked,
                counted: pool.entries,
            });
        }
        Ok(())
    }
}

impl<'a> Recency<&'a mut RegionView> {
    /// Makes an entry that is in no list the newest of its pool. Answers its header.
    #[inline]
    pub fn push_newest(self, at: u32, pool: usize) -> Option<&'a mut EntryHeader> {
        let shift = self.0.geometry().stamp_shift;
        let header = self.0.header_mut();
        let stamp = header.tick(shift);
        let second = core::mem::replace(&mut header.pool_mut(pool).newest, at);
        match self.0.entry_mut(second) {
            Some(entry) => entry.newer = at,
            None => self.0.header_mut().pool_mut(pool).oldest = at,
        }
        let entry = self.0.entry_mut(at)?;
        entry.newer = 0;
        entry.older = second;
        entry.set_stamp(stamp);
        Some(entry)
    }

    /// Takes an entry with this header out of its pool's list. Its own links keep their values.
    pub fn unlink(self, entry: &EntryHeader) {
        let (newer, older, pool) = (entry.newer, entry.older, entry.pool());
        match self.0.entry_mut(newer) {
            Some(entry) => entry.older = older,
            None => self.0.header_mut().pool_mut(pool).newest = older,
        }
        match self.0.entry_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.0.header_mut().pool_mut(pool).oldest = newer,
        }
    }

    /// Makes an entry that is in its pool's list the newest of it.
    #[inline]
    pub fn promote(self, at: u32, pool: usize) {
        let second = self.0.header().pool(pool).newest;
        if second == at {
            return;
        }
        let stamp = self.0.header().stamp(self.0.geometry().stamp_shift);
        let Some(entry) = self.0.entry_mut(at) else {
            return;
        };
        let (newer, older) = (entry.newer, entry.older);
        (entry.newer, entry.older) = (0, second);
        entry.set_stamp(stamp);
        if let Some(entry) = self.0.entry_mut(newer) {
            entry.older = older;
        }
        match self.0.entry_mut(older) {
            Some(entry) => entry.newer = newer,
            None => self.0.header_mut().pool_mut(pool).oldest = newer,
        }
        if let Some(entry) = self.0.entry_mut(second) {
            entry.newer = at;
        }
        self.0.header_mut().pool_mut(pool).newest = at;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::Recency;
    use crate::cache::invalid::CacheError;
    use crate::cache::scope::Pool;
    use crate::cache::test_numbers::Numbers;
    use crate::region::{EntryHeader, RegionView};

    /// The list from its newest entry on.
    fn listed(region: &RegionView, pool: Pool) -> Result<Vec<u32>, CacheError> {
        let mut all = Vec::new();
        Recency(region).validate(pool, |at, _| {
            all.push(at);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn each_pool_has_its_entries_in_the_order_of_their_use() {
        let mut region = RegionView::bare(20_000);
        let mut numbers = Numbers(5);
        let pools = [Pool::Main, Pool::Views];
        let mut model: [Vec<u32>; 2] = Default::default();
        let start = region.geometry().arena_start;
        let mut vacant: Vec<u32> = (0..24).map(|number| start + 40 * number).collect();
        for _ in 0..if cfg!(miri) { 60 } else { 3_000 } {
            let which = numbers.below(2);
            let (pool, order) = (pools[which].number(), &mut model[which]);
            let any = (!order.is_empty()).then(|| numbers.below(order.len().max(1)));
            match (numbers.below(4), any) {
                (0, _) if !vacant.is_empty() => {
                    let at = vacant.swap_remove(numbers.below(vacant.len()));
                    let entry = EntryHeader::new(1, 10, 0, pool, 0);
                    *region.entry_mut(at).expect("in the arena") = entry;
                    Recency(&mut region).push_newest(at, pool);
                    order.insert(0, at);
                }
                (1, Some(any)) => {
                    let at = order.remove(any);
                    let entry = *region.entry(at).expect("in the arena");
                    Recency(&mut region).unlink(&entry);
                    vacant.push(at);
                }
                (_, Some(any)) => {
                    let at = order.remove(any);
                    Recency(&mut region).promote(at, pool);
                    order.insert(0, at);
                }
                _ => {}
            }
            region.header_mut().pool_mut(pool).entries = order.len() as u32;
            for (pool, order) in pools.iter().zip(&model) {
                assert_eq!(listed(&region, *pool).as_ref(), Ok(order));
            }
        }
    }
}
