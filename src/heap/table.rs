//! The table at the start of the span: a word for each granule, and all that the page level keeps.
//! Free memory is never touched: a search reads a few pages of the table, however many pages the
//! heap is spread over.

use core::ptr::null_mut;

/// The page level's unit, in bytes.
pub(super) const GRANULE: usize = 1 << SHIFT;
pub(super) const SHIFT: u32 = 9;

pub(super) const WORD: usize = size_of::<usize>();

/// Granules of a slab, and their alignment.
pub(super) const UNIT: usize = 16;

/// Bytes of a slab, and their alignment.
pub(super) const SLAB_BYTES: usize = UNIT * GRANULE;

/// No granule: the table stands at granule 0, so no run does.
pub(super) const NOWHERE: usize = 0;

/// Free runs of fewer granules have no room in the table for links. Nothing asks for so few.
pub(super) const LEAST: usize = 4;

pub(super) const FREE: usize = 1;
pub(super) const LARGE: usize = 2;
pub(super) const KIND_BITS: u32 = 2;

/// The table's words. Places are counted in granules.
#[derive(Clone, Copy)]
pub(super) struct Table(*mut usize);

impl Table {
    pub(super) const fn none() -> Self {
        Self(null_mut())
    }

    /// The table at `base`.
    pub(super) const fn new(base: *mut u8) -> Self {
        Self(base.cast())
    }

    /// Where the word of granule `at` stands.
    #[inline]
    pub(super) fn place(self, at: usize) -> *mut usize {
        self.0.wrapping_add(at)
    }

    /// # Safety
    /// `at` lies in the span, and its word has been set.
    #[inline]
    pub(super) unsafe fn word(self, at: usize) -> usize {
        // SAFETY: the table has a word for each granule of the span.
        unsafe { self.0.add(at).read() }
    }

    /// # Safety
    /// `at` lies in the span, and its word is the page level's to write.
    #[inline]
    pub(super) unsafe fn set(self, at: usize, word: usize) {
        // SAFETY: as for `word`.
        unsafe { self.0.add(at).write(word) }
    }

    /// The run behind and the run before the linked free run at `run` in its list; before the first
    /// stands what the bins put there.
    ///
    /// # Safety
    /// `run` is a free run of [`LEAST`] granules or more.
    #[inline]
    pub(super) unsafe fn links(self, run: usize) -> (usize, usize) {
        // SAFETY: such a run has four words in the span.
        unsafe { (self.word(run + 1), self.word(run + 2)) }
    }

    /// # Safety
    /// As for [`links`](Table::links).
    #[inline]
    pub(super) unsafe fn set_next(self, run: usize, next: usize) {
        // SAFETY: as for `links`.
        unsafe { self.set(run + 1, next) }
    }

    /// # Safety
    /// As for [`links`](Table::links).
    #[inline]
    pub(super) unsafe fn set_prev(self, run: usize, prev: usize) {
        // SAFETY: as for `links`.
        unsafe { self.set(run + 2, prev) }
    }
}
