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
    /// `ptr` is a live large block of this heap of `size` bytes.
    #[inline]
    pub(super) unsafe fn free_large(&mut self, ptr: *mut u8, size: usize) {
        // SAFETY: as the caller says.
        unsafe { self.runs.free(self.runs.granule_of(ptr), granules(size)) }
    }

    /// # Safety
    /// `ptr` is a live large block of this heap of `old` bytes.
    #[inline]
    pub(super) unsafe fn resize_large(&mut self, ptr: *mut u8, old: usize, new: usize) -> bool {
        // SAFETY: as the caller says.
        unsafe {
            self.runs
                .resize(self.runs.granule_of(ptr), granules(old), granules(new))
        }
    }
}
