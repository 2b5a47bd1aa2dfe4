//! What counters and the check of the whole state read.

use super::{Bins, FREE, HeapUsage, LEAST, PLACE_SHIFT, Run, RunKind, Runs, Slab, UNIT, WORD};

impl Runs {
    /// Granules of the table.
    pub(in crate::heap) const fn first(&self) -> usize {
        self.end >> PLACE_SHIFT
    }

    pub(in crate::heap) const fn top(&self) -> usize {
        self.usage.used_granules
    }

    pub(in crate::heap) const fn end(&self) -> usize {
        self.end
    }

    pub(in crate::heap) const fn usage(&self) -> &HeapUsage {
        &self.usage
    }

    pub(in crate::heap) const fn highest(&self) -> usize {
        self.usage.highest_granules
    }

    pub(in crate::heap) const fn bins(&self) -> &Bins {
        &self.bins
    }

    /// Every run below `top`, in the order of addresses. Ends early at a run of no length, or one
    /// that reaches past `top`, which a sound heap does not have.
    #[inline]
    pub(in crate::heap) fn walk(&self) -> impl Iterator<Item = Run> + '_ {
        let mut next = self.first();
        core::iter::from_fn(move || {
            if next >= self.top() {
                return None;
            }
            let run = self.run_at(next);
            next += run.len();
            (run.len() > 0 && next <= self.top()).then_some(run)
        })
    }

    /// The run that begins at `at`, which is at or after `first` and below `top`.
    #[inline]
    pub(in crate::heap) fn run_at(&self, at: usize) -> Run {
        debug_assert!(self.first() <= at && at < self.top());
        // SAFETY: the granule lies below `top`.
        let word = unsafe { self.table.word(at) };
        Run { at, word }
    }

    /// Whether the last word of a run is what the run's kind asks for.
    pub(in crate::heap) fn end_agrees(&self, run: Run) -> bool {
        // SAFETY: the granule lies below `top`.
        let last = unsafe { self.table.word(run.at + run.len() - 1) };
        if run.kind() == RunKind::Free {
            last == run.word
        } else {
            last & FREE == 0
        }
    }

    /// Length of the free run at `at`, and what it is linked to, if one that is long enough for
    /// links stands there.
    pub(in crate::heap) fn linked_run(&self, at: usize) -> Option<(usize, (usize, usize))> {
        if at < self.first() || at >= self.top() {
            return None;
        }
        let run = self.run_at(at);
        let len = run.len();
        if run.kind() != RunKind::Free || len < LEAST || len > self.top() - at {
            return None;
        }
        // SAFETY: the run's words lie below `top`.
        Some((len, unsafe { self.table.links(at) }))
    }

    /// Where the slab whose words begin at `slab` stands, if one can.
    pub(in crate::heap) fn place_of_slab(&self, slab: *mut Slab) -> Option<usize> {
        let offset = slab.addr().wrapping_sub(self.base().addr());
        let at = offset / WORD;
        (offset % (UNIT * WORD) == 0 && self.first() <= at && at < self.top()).then_some(at)
    }
}
