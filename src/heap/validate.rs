//! A walk over the heap's whole state.

use core::ptr::null_mut;

use thiserror::Error;

use super::Heap;
use super::bins::{BINS, Bin};
use super::class::{CLASSES, Class, is_size};
use super::runs::RunKind;
use super::slab::{FULL, LIVE, Slab};
use super::table::{GRANULE, LEAST, NOWHERE, SLAB_BYTES};

/// The first thing found wrong with a heap's state: damaged by a write outside a block, a block
/// given back twice, or given back with a layout that it was not allocated with. Offsets are in
/// bytes from the span's start.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeapError {
    /// The runs do not add up to the part of the span in use.
    #[error("the run before offset {0} has no length, or one that leaves the heap")]
    RunLength(usize),
    /// The word at a run's end is not what its kind asks for.
    #[error("the run at offset {0} ends in a word of another kind")]
    RunEnd(usize),
    /// Two free runs that touch, or one that touches the unused rest.
    #[error("the free run at offset {0} was not joined with the one before it")]
    NotJoined(usize),
    /// A free run is in no list, or in the wrong one.
    #[error("the free run at offset {0} is not linked where its length belongs")]
    FreeRunLinks(usize),
    /// A list of free runs holds more or fewer than there are, or its mark is wrong.
    #[error("list {0} of the free runs disagrees with the runs or with its mark")]
    FreeRunList(usize),
    /// A slab that is not aligned, of no class, or with a bad range of blocks.
    #[error("the slab at offset {0} has bad words")]
    Slab(usize),
    /// A slab's free list leaves it, repeats itself, or disagrees with the count of live blocks.
    #[error("the free list of the slab at offset {0} does not match its blocks")]
    SlabFreeList(usize),
    /// A slab that is missing from its class's list, or is in it though full.
    #[error("the slab at offset {0} is not linked as its class asks")]
    SlabLinks(usize),
    /// A class's list holds more or fewer slabs than there are.
    #[error("the slab list of the {0}-byte class disagrees with the slabs")]
    SlabList(usize),
    /// The count of bytes in slabs and large blocks is wrong.
    #[error("{0} bytes are counted as held, but slabs and large blocks have another sum")]
    Held(usize),
}

impl Heap {
    /// Checks the whole state, and names the first thing wrong. Linear in the number of runs and of
    /// free blocks.
    ///
    /// # Errors
    /// The fault found. The heap is then not to be used any more.
    pub fn validate(&self) -> Result<(), HeapError> {
        let free_runs = self.check_runs()?;
        self.check_bins(free_runs)?;
        self.check_slabs()
    }

    fn check_runs(&self) -> Result<usize, HeapError> {
        let runs = &self.runs;
        let (mut reached, mut free_runs, mut held, mut after_free) = (runs.first(), 0, 0, false);
        for run in runs.walk() {
            let offset = run.at * GRANULE;
            if !runs.end_agrees(run) {
                return Err(HeapError::RunEnd(offset));
            }
            let is_free = run.kind() == RunKind::Free;
            if is_free && after_free {
                return Err(HeapError::NotJoined(offset));
            }
            if is_free {
                free_runs += usize::from(run.len() >= LEAST);
            } else {
                held += run.len();
            }
            after_free = is_free;
            reached = run.at + run.len();
        }
        if reached != runs.top() {
            return Err(HeapError::RunLength(reached * GRANULE));
        }
        if after_free {
            return Err(HeapError::NotJoined(reached * GRANULE));
        }
        let usage = runs.usage();
        if held * GRANULE != usage.held_bytes
            || usage.held_bytes > usage.peak_bytes
            || runs.top() > runs.highest()
            || runs.highest() > runs.end()
        {
            return Err(HeapError::Held(usage.held_bytes));
        }
        Ok(free_runs)
    }

    fn check_bins(&self, free_runs: usize) -> Result<(), HeapError> {
        let bins = self.runs.bins();
        let mut linked = 0;
        for bin in Bin::all() {
            let head = bins.head(bin);
            if bins.is_marked(bin) == (head == NOWHERE) {
                return Err(HeapError::FreeRunList(bin.number()));
            }
            let (mut at, mut before) = (head, bin.before_first());
            while at != NOWHERE {
                linked += 1;
                match self.runs.linked_run(at) {
                    Some((len, (next, prev)))
                        if Bin::checked_of(at, len) == Some(bin)
                            && prev == before
                            && linked <= free_runs =>
                    {
                        (before, at) = (at, next);
                    }
                    _ => return Err(HeapError::FreeRunLinks(at.saturating_mul(GRANULE))),
                }
            }
        }
        if linked == free_runs {
            Ok(())
        } else {
            Err(HeapError::FreeRunList(BINS))
        }
    }

    fn check_slabs(&self) -> Result<(), HeapError> {
        let mut listed = [0_usize; CLASSES];
        for run in self.runs.walk() {
            if run.kind() == RunKind::Slab {
                let class = self.check_slab(run.at)?;
                // SAFETY: a slab stands there.
                if unsafe { (*self.runs.slab_at(run.at)).is_listed() } {
                    listed[class.number()] += 1;
                }
            }
        }
        for ((class, expected), head) in Class::all().zip(listed).zip(self.heads) {
            let mut found = 0;
            let mut slab = head;
            while !slab.is_null() && found <= expected {
                found += 1;
                if self.runs.place_of_slab(slab).is_none() {
                    return Err(HeapError::SlabList(class.block_bytes()));
                }
                // SAFETY: only read where a slab can stand.
                slab = unsafe { (*slab).next };
                if slab == head {
                    break;
                }
            }
            if found != expected {
                return Err(HeapError::SlabList(class.block_bytes()));
            }
        }
        Ok(())
    }

    fn check_slab(&self, at: usize) -> Result<Class, HeapError> {
        let offset = at * GRANULE;
        let here = self.runs.slab_at(at);
        // SAFETY: a slab stands there.
        let slab = unsafe { &*here };
        let size = slab.size;
        let class = slab
            .checked_class()
            .filter(|class| is_size(size) && Class::of(size) == Some(class.with_its_blocks()))
            .filter(|_| self.runs.place_of_slab(here).is_some())
            .ok_or(HeapError::Slab(offset))?;
        let start = self.runs.address(at).addr();
        let room = slab.fresh.addr().wrapping_sub(start);
        if slab.end.addr() != start + SLAB_BYTES / size * size
            || room > SLAB_BYTES
            || room % size != 0
        {
            return Err(HeapError::Slab(offset));
        }
        let used_ever = room / size;

        let mut free = 0;
        let mut block = match slab.free {
            block if slab.is_listed() => block,
            FULL => null_mut(),
            _ => return Err(HeapError::SlabFreeList(offset)),
        };
        while !block.is_null() {
            let place = block.addr().wrapping_sub(start);
            free += 1;
            if place >= room || place % size != 0 || free > used_ever {
                return Err(HeapError::SlabFreeList(offset));
            }
            // SAFETY: the place is that of a block.
            block = unsafe { (*block).next };
        }
        if slab.used != (used_ever - free) * LIVE {
            return Err(HeapError::SlabFreeList(offset));
        }

        let is_full = free == 0 && slab.fresh == slab.end;
        let linked = !slab.is_listed()
            || (self.links_back(slab.next, here) && self.links_on(slab.prev, here));
        // A full head stays in the list until the next request.
        let in_place = slab.is_listed() != is_full || self.heads[class.number()] == here;
        if linked && in_place {
            Ok(class)
        } else {
            Err(HeapError::SlabLinks(offset))
        }
    }

    fn links_back(&self, next: *mut Slab, to: *mut Slab) -> bool {
        // SAFETY: only read where a slab can stand.
        self.runs.place_of_slab(next).is_some() && unsafe { (*next).prev } == to
    }

    fn links_on(&self, prev: *mut Slab, to: *mut Slab) -> bool {
        // SAFETY: only read where a slab can stand.
        self.runs.place_of_slab(prev).is_some() && unsafe { (*prev).next } == to
    }
}
