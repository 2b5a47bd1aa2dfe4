//! The page level: runs of granules, coalesced through a table that stands at the start of the span.
//!
//! ```text
//! span   table │ runs: large blocks, slabs, free runs │ never used since it was last free
//!        0     first                                  top                              end
//! ```
//!
//! The table has one word for each granule. Only the words of a run's first and last granule mean something, and
//! none from `top` on, so the table is touched as the heap grows and never needs clearing:
//!
//! | run | first word | last word |
//! |---|---|---|
//! | free | `len << 2 \| FREE` | the same |
//! | large block | `len << 2 \| LARGE` | low bit clear |
//! | slab | the eight words of a [`Slab`], all with both low bits clear | |
//!
//! No two free runs touch each other, nor does one touch `top`.

mod inspect;

use core::ptr::{NonNull, null_mut};

use super::bins::{Bins, FreeRun, NONE, UNIT, bin_of, first_bin};
use super::slab::Slab;

/// The page level's unit, in bytes.
pub(super) const GRANULE: usize = 1 << SHIFT;
/// Bytes of a slab, and their alignment.
pub(super) const SLAB_BYTES: usize = UNIT * GRANULE;

const SHIFT: u32 = 10;
const WORD: usize = size_of::<usize>();
/// A block's address, shifted by this much, is the place of its slab's words in the table.
const SLAB_SHIFT: u32 = (GRANULE / WORD).ilog2();

const FREE: usize = 1;
const LARGE: usize = 2;
const KIND_BITS: u32 = 2;

/// No granule: the table stands at granule 0, so no run does.
pub(super) const NOWHERE: usize = 0;

const _: () = assert!(
    size_of::<Slab>() == UNIT * WORD,
    "a slab's words fill its granules' part of the table"
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
    base: *mut u8,
    /// `base`, less the table's offset that address 0 would have.
    slabs: *mut u8,
    top: usize,
    end: usize,
    first: usize,
    /// Offset in bytes from which on the span is zero.
    fresh: usize,
    highest: usize,
    gauges: Gauges,
    bins: Bins,
}

/// What a host reads while the heap lives: words at a fixed place, kept up as slabs and large blocks come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Gauges {
    /// Bytes of whole slabs and large blocks.
    pub held_bytes: usize,
    /// The greatest `held_bytes` so far.
    pub peak_bytes: usize,
}

/// Granules that hold `bytes`.
#[inline]
pub(super) const fn granules(bytes: usize) -> usize {
    // Sizes are at most `isize::MAX`, so this does not overflow.
    let len = (bytes + (GRANULE - 1)) >> SHIFT;
    if len == 0 { 1 } else { len }
}

impl Runs {
    pub(super) const fn new() -> Self {
        Self {
            base: null_mut(),
            slabs: null_mut(),
            top: 0,
            end: 0,
            first: 0,
            fresh: 0,
            highest: 0,
            gauges: Gauges {
                held_bytes: 0,
                peak_bytes: 0,
            },
            bins: Bins::new(),
        }
    }

    /// Takes the span over.
    ///
    /// # Safety
    /// As for [`Heap::adopt`](super::Heap::adopt).
    pub(super) unsafe fn adopt(&mut self, start: NonNull<u8>, len: usize, fresh_from: usize) {
        let base = start.as_ptr();
        let end = len >> SHIFT;
        let first = (end * WORD).div_ceil(GRANULE);
        self.base = base;
        self.slabs = base.wrapping_sub(base.addr() >> SLAB_SHIFT);
        self.first = first;
        self.top = first;
        self.highest = first;
        self.end = end;
        self.fresh = fresh_from.max(first << SHIFT).min(len);
        if first > 0 {
            // The table itself counts as a used neighbour of the first run.
            // SAFETY: granule `first - 1` is in the span.
            unsafe { self.set_word(first - 1, 0) };
        }
    }

    #[inline]
    pub(super) const fn is_adopted(&self) -> bool {
        !self.base.is_null()
    }

    /// The words of the slab that `block` is in.
    #[inline]
    pub(super) fn slab_of(&self, block: *mut u8) -> *mut Slab {
        let offset = (block.addr() >> SLAB_SHIFT) & !(size_of::<Slab>() - 1);
        self.slabs.wrapping_add(offset).cast()
    }

    /// The granule that `block` begins in.
    #[inline]
    pub(super) fn granule_of(&self, block: *mut u8) -> usize {
        block.addr().wrapping_sub(self.base.addr()) >> SHIFT
    }

    /// The start of granule `at`.
    #[inline]
    pub(super) fn address(&self, at: usize) -> *mut u8 {
        self.base.wrapping_add(at << SHIFT)
    }

    /// The slab that stands at granule `at`.
    #[inline]
    pub(super) fn slab_at(&self, at: usize) -> *mut Slab {
        self.table().wrapping_add(at).cast()
    }

    /// The granule at which `slab` stands.
    #[inline]
    pub(super) fn granule_of_slab(&self, slab: *mut Slab) -> usize {
        slab.addr().wrapping_sub(self.base.addr()) / WORD
    }

    /// Bytes of the large block at granule `at`, or `None` if a slab's words stand there.
    ///
    /// # Safety
    /// A block that the heap handed out begins in granule `at`.
    pub(super) unsafe fn large_len(&self, at: usize) -> Option<usize> {
        // SAFETY: the granule is in use. Its word is a large block's first or one of a slab's.
        let word = unsafe { self.word(at) };
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
        self.take(bin, UNIT, UNIT)
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
            if next == self.top {
                if self.end - self.top < more {
                    return false;
                }
                self.advance(next + more);
            } else {
                let word = self.word(next);
                let len = word >> KIND_BITS;
                if word & FREE == 0 || len < more {
                    return false;
                }
                self.unlink(next, len);
                if len > more {
                    self.insert(next + more, len - more);
                }
            }
            self.hold(more);
            self.mark_large(at, new);
        }
        true
    }

    /// Gives `len` granules at `at` back, and joins them with what is free on either side.
    ///
    /// # Safety
    /// They are a run, or the end of one, that was taken; nobody uses them any more.
    pub(super) unsafe fn free(&mut self, at: usize, len: usize) {
        self.gauges.held_bytes -= len << SHIFT;
        let mut at = at;
        let mut end = at + len;
        // SAFETY: the word before `at` is the last of the run before, or the table's own; the word at `end` is the
        // first of the run after, since it lies below `top`.
        unsafe {
            if end != self.top {
                let word = self.word(end);
                if word & FREE != 0 {
                    let len = word >> KIND_BITS;
                    self.unlink(end, len);
                    end += len;
                }
            }
            let word = self.word(at - 1);
            if word & FREE != 0 {
                let len = word >> KIND_BITS;
                at -= len;
                self.unlink(at, len);
            }
            if end == self.top {
                self.top = at;
            } else {
                self.insert(at, end - at);
            }
        }
    }

    /// Offset in bytes from which on the span is zero: never written since it was given, except by its owner.
    #[inline]
    pub(super) const fn fresh(&self) -> usize {
        self.fresh
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
        // SAFETY: a head is a free run.
        if !head.is_null() && unsafe { self.len_of(head) } >= len {
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
            let head = self.bins.head(bin);
            let at = self.granule_of(head.cast());
            // SAFETY: a head is a free run.
            if at.next_multiple_of(align) + len <= at + unsafe { self.len_of(head) } {
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
                from = self.top;
                at = (from + (align - 1)) & !(align - 1);
                if at > self.end || self.end - at < len {
                    return NOWHERE;
                }
                to = at + len;
                self.advance(to);
            } else {
                let head = self.bins.head(bin);
                from = self.granule_of(head.cast());
                at = (from + (align - 1)) & !(align - 1);
                to = from + self.len_of(head);
                self.bins.remove(bin, head);
                if to != at + len {
                    self.insert(at + len, to - (at + len));
                }
            }
            if from != at {
                self.insert(from, at - from);
            }
        }
        self.hold(len);
        at
    }

    #[inline]
    fn advance(&mut self, top: usize) {
        self.top = top;
        if top > self.highest {
            self.highest = top;
            self.fresh = self.fresh.max(top << SHIFT);
        }
    }

    #[inline]
    fn hold(&mut self, len: usize) {
        let gauges = &mut self.gauges;
        gauges.held_bytes += len << SHIFT;
        gauges.peak_bytes = gauges.peak_bytes.max(gauges.held_bytes);
    }

    /// # Safety
    /// The run is free and in no bin.
    unsafe fn insert(&mut self, at: usize, len: usize) {
        let word = len << KIND_BITS | FREE;
        // SAFETY: the run's words and memory are the page level's own.
        unsafe {
            self.set_word(at, word);
            self.set_word(at + len - 1, word);
            self.bins.insert(bin_of(at, len), self.address(at).cast());
        }
    }

    /// # Safety
    /// The run is free and in its bin.
    unsafe fn unlink(&mut self, at: usize, len: usize) {
        let run = self.address(at).cast();
        // SAFETY: as the caller says.
        unsafe { self.bins.remove(bin_of(at, len), run) }
    }

    /// # Safety
    /// The run is taken, for a large block.
    #[inline]
    unsafe fn mark_large(&mut self, at: usize, len: usize) {
        // SAFETY: the words are the run's own. In a run of one granule the second write is the one that counts.
        unsafe {
            self.set_word(at + len - 1, 0);
            self.set_word(at, len << KIND_BITS | LARGE);
        }
    }

    /// # Safety
    /// `run` is a free run.
    #[inline]
    unsafe fn len_of(&self, run: *mut FreeRun) -> usize {
        // SAFETY: its first word is set.
        unsafe { self.word(self.granule_of(run.cast())) >> KIND_BITS }
    }

    #[inline]
    fn table(&self) -> *mut usize {
        self.base.cast()
    }

    /// # Safety
    /// `at` lies in the span, and its word has been set.
    #[inline]
    unsafe fn word(&self, at: usize) -> usize {
        // SAFETY: the table has a word for each granule of the span.
        unsafe { self.table().add(at).read() }
    }

    /// # Safety
    /// `at` lies in the span, and its word is not in use.
    #[inline]
    unsafe fn set_word(&mut self, at: usize, word: usize) {
        // SAFETY: as for `word`.
        unsafe { self.table().add(at).write(word) }
    }
}
