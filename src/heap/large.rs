//! Large blocks: runs of their own.

use core::ptr::null_mut;

use super::runs::granules;
use super::table::{GRANULE, NOWHERE};
use super::{Heap, MAX_ALIGN};

impl Heap {
    #[inline]
    pub(super) fn alloc_large(&mut self, size: usize, align: usize) -> *mut u8 {
        if align > MAX_ALIGN {
            return null_mut();
        }
        let len = granules(size);
        let at = self.take_run(len, align.div_ceil(GRANULE));
        if at == NOWHERE {
            return null_mut();
        }
        // SAFETY: the run was just taken.
        unsafe { self.runs.mark_large(at, len) };
        self.runs.address(at)
    }

    /// # Safety
    /// `ptr` is a live large block of this heap.
    #[inline(never)]
    pub(super) unsafe fn free_large(&mut self, ptr: *mut u8) {
        let at = self.runs.granule_of(ptr);
        // SAFETY: as the caller says.
        unsafe { self.runs.free(at, self.runs.len_of(at)) }
    }

    /// # Safety
    /// `ptr` is a live large block of this heap.
    #[inline]
    pub(super) unsafe fn resize_large(&mut self, ptr: *mut u8, new_size: usize) -> bool {
        let at = self.runs.granule_of(ptr);
        // SAFETY: as the caller says.
        unsafe { self.runs.resize(at, granules(new_size)) }
    }
}
