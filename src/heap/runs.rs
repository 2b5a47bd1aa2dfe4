//! The page level: runs of granules, coalesced through a table that stands at the start of the span.
//!
//! ```text
//! span   table │ runs: large blocks, slabs, free runs │ never used since it was last free
//!        0     first                                  top                              end
//! ```
//!
//! The table has one word for each granule. Those of a run's first and last granule mean something, those that link a free
//! run, and none from `top` on: so the table is touched as the heap grows and never needs clearing.
//!
//! | run | first words | last word |
//! |---|---|---|
//! | free | `len << 2 \| FREE`, next, previous | as the first |
//! | free, of fewer than four granules | `len << 2 \| FREE` | as the first |
//! | large block | `len << 2 \| LARGE` | low bit clear |
//! | slab | the eight words of a [`Slab`], then zeros, all with both low bits clear | 0 |
//!
//! No two free runs touch each other, nor does one touch `top`. The shortest ones are in no list: they only wait for a
//! neighbour to join.

mod inspect;

use core::ptr::{NonNull, null_mut};

use super::bins::{Bins, NONE, bin_of, first_bin};
use super::gauges::Gauges;
use super::slab::Slab;
use super::table::{FREE, GRANULE, KIND_BITS, LARGE, LEAST, NOWHERE, SHIFT, Table, UNIT, WORD};

const SLAB_WORDS: usize = size_of::<Slab>() / WORD;

/// A block's address, shifted by this much, is the place of its granule's word in the table.
const PLACE_SHIFT: u32 = (GRANULE / WORD).ilog2();

const _: () = assert!(
    SLAB_WORDS < UNIT,
    "a slab's words and the last one fit in its granules' part of the table"
);

/// What the first word of a run says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Run {
    Free { len: usize },
    Large { len: usize },
    Slab,
}

impl Run {
    /// Length in granules.
    pub(super) const fn len(self) -> usize {
        match self {
            Run::Free { len } | Run::Large { len } => len,
            Run::Slab => UNIT,
        }
    }
}

/// Lengths and places are in granules.
pub(super) struct Runs {
    /// At the span's start.
    table: Table,
    /// The table, less the offset in it that address 0 would have.
    slabs: *mut u8,
    end: usize,
    /// Offset in bytes from which on the span was zero when it was given.
    fresh_from: usize,
    gauges: Gauges,
    bins: Bins,
}

/// Granules of a large block of `bytes`.
#[inline]
pub(super) const fn granules(bytes: usize) -> usize {
    // Sizes are at most `isize::MAX`, so this does not overflow.
    let len = (bytes + (GRANULE - 1)) >> SHIFT;
    if len < LEAST { LEAST } else { len }
}

impl Runs {
    pub(super) const fn new() -> Self {
        Self {
            table: Table::none(),
            slabs: null_mut(),
            end: 0,
            fresh_from: 0,
            gauges: Gauges::none(),
            bins: Bins::new(),
        }
    }

    /// Takes the span over.
    ///
    /// # Safety
    /// As for [`Heap::adopt`](super::Heap::adopt).
    pub(super) unsafe fn adopt(&mut self, start: NonNull<u8>, len: usize, fresh_from: usize) {
        let base = start.as_ptr();
        self.table = Table::new(base);
        self.slabs = base.wrapping_sub(base.addr() >> PLACE_SHIFT);
        self.end = len >> SHIFT;
        self.fresh_from = fresh_from;
        let first = self.first();
        self.gauges.used_granules = first;
        self.gauges.highest_granules = first;
        if first > 0 {
            // The table itself counts as a used neighbour of the first run.
            // SAFETY: granule `first - 1` is in the span.
            unsafe { self.table.set(first - 1, 0) };
        }
    }

    #[inline]
    pub(super) fn is_adopted(&self) -> bool {
        !self.base().is_null()
    }

    #[inline]
    fn base(&self) -> *mut u8 {
        self.table.place(0).cast()
    }

    /// The words of the slab that `block` is in.
    #[inline]
    pub(super) fn slab_of(&self, block: *mut u8) -> *mut Slab {
        let offset = (block.addr() >> PLACE_SHIFT) & !(UNIT * WORD - 1);
        self.slabs.wrapping_add(offset).cast()
    }

    /// The granule that `block` begins in.
    #[inline]
    pub(super) fn granule_of(&self, block: *mut u8) -> usize {
        self.offset(block) >> SHIFT
    }

    /// The offset in the span at which `block` begins.
    #[inline]
    pub(super) fn offset(&self, block: *mut u8) -> usize {
        block.addr().wrapping_sub(self.base().addr())
    }

    /// The start of granule `at`.
    #[inline]
    pub(super) fn address(&self, at: usize) -> *mut u8 {
        self.base().wrapping_add(at << SHIFT)
    }

    /// The slab that stands at granule `at`.
    #[inline]
    pub(super) fn slab_at(&self, at: usize) -> *mut Slab {
        self.table.place(at).cast()
    }

    /// The granule at which `slab` stands.
    #[inline]
    pub(super) fn granule_of_slab(&self, slab: *mut Slab) -> usize {
        slab.addr().wrapping_sub(self.base().addr()) / WORD
    }

    /// Bytes of the large block at granule `at`, or `None` if a slab's words stand there.
    ///
    /// # Safety
    /// A block that the heap handed out begins in granule `at`.
    pub(super) unsafe fn large_len(&self, at: usize) -> Option<usize> {
        // SAFETY: the granule is in use. Its word is a large block's first or one of a slab's.
        let word = unsafe { self.table.word(at) };
        (word & LARGE != 0).then_some(word >> KIND_BITS)
    }

    /// A run for a large block of `len` granules at a multiple of `align` granules, or [`NOWHERE`].
    pub(super) fn take_large(&mut self, len: usize, align: usize) -> usize {
        let bin = if align == 1 {
            self.find(len)
        } else {
            self.find_aligned(len, align)
        };
        let at = self.take(bin, len, align);
        if at != NOWHERE {
            // SAFETY: the run was just taken.
            unsafe { self.mark_large(at, len) };
        }
        at
    }

    /// A run for a slab, or [`NOWHERE`]. The caller writes the slab's words.
    pub(super) fn take_unit(&mut self) -> usize {
        let bin = self.bins.with_unit();
        let at = self.take(bin, UNIT, UNIT);
        if at != NOWHERE {
            // SAFETY: the run was just taken.
            unsafe {
                self.table
                    .place(at + SLAB_WORDS)
                    .write_bytes(0, UNIT - SLAB_WORDS)
            };
        }
        at
    }

    /// Makes the large block of `old` granules at `at` one of `new` granules, in place. False if it cannot grow.
    ///
    /// # Safety
    /// Such a block stands at `at`.
    pub(super) unsafe fn resize(&mut self, at: usize, old: usize, new: usize) -> bool {
        if new == old {
            return true;
        }
        // SAFETY: the block is the caller's; what follows it is a run, or `top`.
        unsafe {
            if new < old {
                self.mark_large(at, new);
                self.free(at + new, old - new);
                return true;
            }
            let next = at + old;
            let more = new - old;
            if next == self.top() {
                if self.end - self.top() < more {
                    return false;
                }
                self.advance(next + more);
            } else {
                let word = self.table.word(next);
                let len = word >> KIND_BITS;
                if word & FREE == 0 || len < more {
                    return false;
                }
                self.unlink(next, len);
                if len > more {
                    self.insert(next + more, len - more);
                }
            }
            self.gauges.hold(more << SHIFT);
            self.mark_large(at, new);
        }
        true
    }

    /// Gives `len` granules at `at` back, and joins them with what is free on either side.
    ///
    /// # Safety
    /// They are a run, or the end of one, that was taken; nobody uses them any more.
    pub(super) unsafe fn free(&mut self, at: usize, len: usize) {
        self.gauges.release(len << SHIFT);
        let mut at = at;
        let mut end = at + len;
        // SAFETY: the word before `at` is the last of the run before, or the table's own; the word at `end` is the
        // first of the run after, since it lies below `top`.
        unsafe {
            if end != self.top() {
                let word = self.table.word(end);
                if word & FREE != 0 {
                    let len = word >> KIND_BITS;
                    self.unlink(end, len);
                    end += len;
                }
            }
            let word = self.table.word(at - 1);
            if word & FREE != 0 {
                let len = word >> KIND_BITS;
                at -= len;
                self.unlink(at, len);
            }
            if end == self.top() {
                self.gauges.used_granules = at;
            } else {
                self.insert(at, end - at);
            }
        }
    }

    /// Offset in bytes from which on the span is zero: never written since it was given, except by its owner.
    #[inline]
    pub(super) fn fresh(&self) -> usize {
        self.fresh_from.max(self.gauges.highest_granules << SHIFT)
    }

    /// A bin whose first run has `len` granules or more, or [`NONE`].
    #[inline]
    fn find(&self, len: usize) -> usize {
        // Checked first, so that no length near the address space's goes further.
        if len > self.end {
            return NONE;
        }
        let own = first_bin(len);
        let head = self.bins.head(own);
        // SAFETY: a head that is somewhere is a free run.
        if head != NOWHERE && unsafe { self.len_of(head) } >= len {
            own
        } else {
            self.bins.at_or_after(own + 1)
        }
    }

    /// A bin whose first run has `len` granules at a multiple of `align`, or [`NONE`].
    #[cold]
    #[inline(never)]
    fn find_aligned(&self, len: usize, align: usize) -> usize {
        if len > self.end {
            return NONE;
        }
        // Each step goes to a later bin, and those from `len + align` on all serve: few steps.
        let mut bin = self.bins.at_or_after(first_bin(len));
        while bin != NONE {
            let at = self.bins.head(bin);
            // SAFETY: a bin that the search finds has a free run for its head.
            if at.next_multiple_of(align) + len <= at + unsafe { self.len_of(at) } {
                break;
            }
            bin = self.bins.at_or_after(bin + 1);
        }
        bin
    }

    /// Takes `len` granules at a multiple of `align` from the first run of `bin`, or from `top` if that is [`NONE`].
    fn take(&mut self, bin: usize, len: usize, align: usize) -> usize {
        let (from, to, at);
        // SAFETY: the head of a bin that is not empty is a free run. What is cut off at either side lies between runs
        // in use.
        unsafe {
            if bin == NONE {
                from = self.top();
                at = (from + (align - 1)) & !(align - 1);
                if at > self.end || self.end - at < len {
                    return NOWHERE;
                }
                to = at + len;
                self.advance(to);
            } else {
                from = self.bins.head(bin);
                at = (from + (align - 1)) & !(align - 1);
                to = from + self.len_of(from);
                self.bins.remove(self.table, bin, from);
                if to != at + len {
                    self.insert(at + len, to - (at + len));
                }
            }
            if from != at {
                self.insert(from, at - from);
            }
        }
        self.gauges.hold(len << SHIFT);
        at
    }

    #[inline]
    fn advance(&mut self, top: usize) {
        self.gauges.used_granules = top;
        self.gauges.highest_granules = self.gauges.highest_granules.max(top);
    }

    /// # Safety
    /// The run is free and in no bin.
    #[inline(never)]
    unsafe fn insert(&mut self, at: usize, len: usize) {
        let word = len << KIND_BITS | FREE;
        // SAFETY: a free run's words are the page level's own.
        unsafe {
            self.table.set(at, word);
            self.table.set(at + len - 1, word);
            if len >= LEAST {
                self.bins.insert(self.table, bin_of(at, len), at);
            }
        }
    }

    /// # Safety
    /// The run is free, and in its bin if it is long enough.
    #[inline(never)]
    unsafe fn unlink(&mut self, at: usize, len: usize) {
        if len >= LEAST {
            // SAFETY: as the caller says.
            unsafe { self.bins.remove(self.table, bin_of(at, len), at) }
        }
    }

    /// # Safety
    /// The run is taken, for a large block.
    #[inline]
    unsafe fn mark_large(&mut self, at: usize, len: usize) {
        // SAFETY: the words are the run's own.
        unsafe {
            self.table.set(at + len - 1, 0);
            self.table.set(at, len << KIND_BITS | LARGE);
        }
    }

    /// # Safety
    /// A free run or a large block stands at `at`.
    #[inline]
    unsafe fn len_of(&self, at: usize) -> usize {
        // SAFETY: its first word is set.
        unsafe { self.table.word(at) >> KIND_BITS }
    }
}
