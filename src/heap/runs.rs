//! The page level: runs of granules, coalesced through a table that stands at the start of the
//! span.
//!
//! ```text
//! span   table │ runs: large blocks, slabs, free runs │ never used since it was last free
//!        0     first                                  top                              end
//! ```
//!
//! The table has one word for each granule. Those of a run's first and last granule mean something,
//! those that link a free run, and none from `top` on: so the table is touched as the heap grows
//! and never needs clearing.
//!
//! | run | first words | last word |
//! |---|---|---|
//! | free | `len << 2 \| FREE`, next, previous or the bin | as the first |
//! | free, of fewer than four granules | `len << 2 \| FREE` | as the first |
//! | large block | `len << 2 \| LARGE` | low bit clear |
//! | slab | those of a [`Slab`], all with both low bits clear | 0 |
//!
//! No two free runs touch each other, nor does one touch `top`. The shortest ones are in no list:
//! they only wait for a neighbour to join.

mod reader;

use core::ops::Range;
use core::ptr::{NonNull, null_mut};

use super::bins::{Bin, Bins};
use super::slab::Slab;
use super::table::{FREE, GRANULE, KIND_BITS, LARGE, LEAST, NOWHERE, SHIFT, Table, UNIT, WORD};
use super::undeclared_pages::UndeclaredPages;
use super::usage::HeapUsage;

/// A block's address, shifted by this much, is the place of its granule's word in the table.
const PLACE_SHIFT: u32 = (GRANULE / WORD).ilog2();

const _: () = assert!(
    size_of::<Slab>() == UNIT * WORD,
    "a slab's words are its granules' part of the table"
);

/// What a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunKind {
    Free,
    Large,
    Slab,
}

/// The first word of a run, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) at: usize,
    word: usize,
}

impl Run {
    #[inline]
    pub(super) const fn kind(self) -> RunKind {
        match self.word & (FREE | LARGE) {
            0 => RunKind::Slab,
            FREE => RunKind::Free,
            _ => RunKind::Large,
        }
    }

    /// Length in granules.
    #[inline]
    pub(super) const fn len(self) -> usize {
        if self.word & (FREE | LARGE) == 0 {
            UNIT
        } else {
            self.word >> KIND_BITS
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
    undeclared: UndeclaredPages,
    /// Offset in bytes from which on the span was zero when it was given.
    fresh_from: usize,
    usage: HeapUsage,
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
            undeclared: UndeclaredPages::none(),
            fresh_from: 0,
            usage: HeapUsage::none(),
            bins: Bins::new(),
        }
    }

    /// Takes the span over.
    ///
    /// # Safety
    /// As for [`Heap::adopt_beside`](super::Heap::adopt_beside).
    pub(super) unsafe fn adopt(
        &mut self,
        start: NonNull<u8>,
        len: usize,
        fresh_from: usize,
        undeclared: Range<usize>,
    ) {
        let base = start.as_ptr();
        self.table = Table::new(base);
        self.slabs = base.wrapping_sub(base.addr() >> PLACE_SHIFT);
        self.end = len >> SHIFT;
        self.fresh_from = fresh_from;
        let first = self.first();
        self.usage.used_granules = first;
        self.usage.highest_granules = first;
        self.undeclared
            .set(undeclared.start >> SHIFT, undeclared.end >> SHIFT);
        if !self.reach(first) {
            // There is no table, so nothing is taken.
            self.undeclared.clear_to = first;
        } else if first > 0 {
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

    /// Takes a run of `len` granules at a multiple of `align` granules; [`NOWHERE`] if there is
    /// none. The caller writes its words.
    pub(super) fn take(&mut self, len: usize, align: usize) -> usize {
        // Checked first, so that no length near the address space's goes further. 0 does not
        // either.
        if len.wrapping_sub(1) >= self.end {
            return NOWHERE;
        }
        let aligned = |at: usize| (at + (align - 1)) & !(align - 1);
        // Each step goes to a later bin, and those from `len + align` on all serve: few steps, and
        // two where any place is as good as another.
        // SAFETY: the span is shorter than 4 GiB, and `len` is at most its length.
        let mut number = unsafe { Bin::least(len) }.number();
        let (from, free) = loop {
            let Some(bin) = self.bins.at_or_after(number) else {
                break (self.top(), self.undeclared.clear_to - self.top());
            };
            let from = self.bins.head(bin);
            // SAFETY: the head of a bin that is not empty is a free run.
            let free = unsafe { self.len_of(from) };
            if aligned(from) + len <= from + free {
                break (from, free);
            }
            number = bin.number() + 1;
        };
        let at = aligned(from);
        // Nothing but the unused rest can be too short here.
        if at + len > from + free && !self.reach(at + len) {
            return NOWHERE;
        }
        // SAFETY: the place was found within a free run, or the unused rest.
        unsafe { self.cut(from, free, at, len) };
        at
    }

    /// Takes `len` granules at `at` out of the `free` ones from `from` on: a free run, or all of
    /// the unused rest.
    ///
    /// # Safety
    /// They lie in it.
    #[inline(never)]
    unsafe fn cut(&mut self, from: usize, free: usize, at: usize, len: usize) {
        let end = at + len;
        self.usage.hold(len << SHIFT);
        // SAFETY: what is cut off at either side lies between runs in use.
        unsafe {
            if from == self.top() {
                self.advance(end);
            } else {
                self.unlink(from, free);
                if from + free != end {
                    self.insert(end, from + free - end);
                }
            }
            if from != at {
                self.insert(from, at - from);
            }
        }
    }

    /// Makes the large block at `at` one of `new` granules, in place. False if it cannot grow.
    ///
    /// # Safety
    /// Such a block stands at `at`.
    pub(super) unsafe fn resize(&mut self, at: usize, new: usize) -> bool {
        // SAFETY: the block is the caller's; what follows it is a run, or the unused rest.
        unsafe {
            let old = self.len_of(at);
            let end = at + old;
            if new > old {
                let room = if end == self.top() {
                    self.undeclared.clear_to - end
                } else if self.table.word(end) & FREE != 0 {
                    self.len_of(end)
                } else {
                    0
                };
                if room < new - old && !(end == self.top() && self.reach(at + new)) {
                    return false;
                }
                self.cut(end, room, end, new - old);
            }
            self.mark_large(at, new);
            if new < old {
                self.free(at + new, old - new);
            }
        }
        true
    }

    /// Whether the unused rest may be taken up to granule `to`. Looks at what it holds, where that
    /// is undeclared.
    #[cold]
    #[inline(never)]
    fn reach(&mut self, to: usize) -> bool {
        if self.undeclared.clear_to < to && to <= self.end {
            // SAFETY: the span is readable, and nobody writes there meanwhile: `adopt`.
            unsafe { self.undeclared.look(self.base(), to, self.end) };
        }
        to <= self.undeclared.clear_to
    }

    /// The address at which somebody else's memory was found.
    pub(super) fn foreign(&self) -> Option<usize> {
        self.undeclared.foreign()
    }

    /// Gives `len` granules at `at` back, and joins them with what is free on either side.
    ///
    /// # Safety
    /// They are a run, or the end of one, that was taken; nobody uses them any more.
    #[inline(never)]
    pub(super) unsafe fn free(&mut self, at: usize, len: usize) {
        self.usage.release(len << SHIFT);
        let mut at = at;
        let mut end = at + len;
        // SAFETY: the word before `at` is the last of the run before, or the table's own; the word
        // at `end` is the first of the run after, since it lies below `top`.
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
                self.usage.used_granules = at;
            } else {
                self.insert(at, end - at);
            }
        }
    }

    /// Offset in bytes from which on the span is zero: never written since it was given, except by
    /// its owner.
    #[inline]
    pub(super) fn fresh(&self) -> usize {
        self.fresh_from.max(self.usage.highest_granules << SHIFT)
    }

    #[inline]
    fn advance(&mut self, top: usize) {
        self.usage.used_granules = top;
        if top > self.usage.highest_granules {
            self.usage.highest_granules = top;
        }
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
                self.bins.insert(self.table, Bin::of(at, len), at);
            }
        }
    }

    /// # Safety
    /// The run is free, and in its bin if it is long enough.
    #[inline(never)]
    unsafe fn unlink(&mut self, at: usize, len: usize) {
        if len >= LEAST {
            // SAFETY: as the caller says.
            unsafe { self.bins.remove(self.table, at) }
        }
    }

    /// # Safety
    /// The run is taken, for a large block.
    #[inline]
    pub(super) unsafe fn mark_large(&mut self, at: usize, len: usize) {
        self.usage.largest_granules = self.usage.largest_granules.max(len);
        // SAFETY: the words are the run's own.
        unsafe {
            self.table.set(at + len - 1, 0);
            self.table.set(at, len << KIND_BITS | LARGE);
        }
    }

    /// # Safety
    /// A free run or a large block stands at `at`.
    #[inline]
    pub(super) unsafe fn len_of(&self, at: usize) -> usize {
        // SAFETY: its first word is set.
        unsafe { self.table.word(at) >> KIND_BITS }
    }
}
