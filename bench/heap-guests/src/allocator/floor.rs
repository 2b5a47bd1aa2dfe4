//! A pointer that only moves, and goes back when the host says so: what the work takes without an
//! allocator.

use core::alloc::{GlobalAlloc, Layout};
use core::arch::wasm32::{memory_grow, memory_size};
use core::cell::Cell;
use core::ptr;

const PAGE: usize = 64 * 1024;
/// Grows by so much at a time.
const STEP: usize = 16 << 20;

struct Floor {
    next: Cell<usize>,
    end: Cell<usize>,
    /// Where `heap_reset` goes back to, once it was called.
    mark: Cell<usize>,
}

// SAFETY: the module has one thread.
unsafe impl Sync for Floor {}

#[global_allocator]
static FLOOR: Floor = Floor {
    next: Cell::new(0),
    end: Cell::new(0),
    mark: Cell::new(0),
};

impl Floor {
    #[cold]
    fn grow(&self, size: usize) -> bool {
        let pages = (size + STEP) / PAGE;
        let before = memory_size::<0>() * PAGE;
        if memory_grow::<0>(pages) == usize::MAX {
            return false;
        }
        if self.end.get() != before {
            self.next.set(before);
        }
        self.end.set(before + pages * PAGE);
        true
    }
}

// SAFETY: every byte is handed out once until the host, which knows that nothing is live, resets
// the pointer.
unsafe impl GlobalAlloc for Floor {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        loop {
            let start = (self.next.get() + layout.align() - 1) & !(layout.align() - 1);
            let end = start + layout.size();
            if end <= self.end.get() {
                self.next.set(end);
                return ptr::with_exposed_provenance_mut(start);
            }
            if !self.grow(layout.size() + layout.align()) {
                return ptr::null_mut();
            }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let end = block.addr() + size;
        if block.addr() + layout.size() == self.next.get() && end <= self.end.get() {
            self.next.set(end);
            return block;
        }
        // SAFETY: the new block is apart from the old one, and both hold the bytes copied.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
            }
            moved
        }
    }
}

/// Goes back to where the pointer stood at the first call.
#[unsafe(no_mangle)]
pub extern "C" fn heap_reset() {
    if FLOOR.mark.get() == 0 {
        FLOOR.mark.set(FLOOR.next.get());
    }
    FLOOR.next.set(FLOOR.mark.get());
}
