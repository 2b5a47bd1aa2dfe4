//! Memory for a heap under test.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use steadfast::heap::Heap;

/// Bytes of a WebAssembly page, and the alignment of a span.
pub const PAGE: usize = 64 * 1024;

/// Whole pages of memory, apart from every other.
pub struct Span {
    start: NonNull<u8>,
    len: usize,
    fresh_from: usize,
}

impl Span {
    /// `pages` pages of zeros.
    pub fn fresh(pages: usize) -> Self {
        Self::new(pages, 0, |layout| {
            // SAFETY: the layout is not empty.
            unsafe { alloc_zeroed(layout) }
        })
    }

    /// `pages` pages of the byte `garbage`.
    pub fn dirty(pages: usize, garbage: u8) -> Self {
        Self::new(pages, pages * PAGE, |layout| {
            // SAFETY: the layout is not empty, and the block is as long as it.
            unsafe {
                let start = alloc(layout);
                if !start.is_null() {
                    start.write_bytes(garbage, layout.size());
                }
                start
            }
        })
    }

    fn new(pages: usize, fresh_from: usize, alloc: impl FnOnce(Layout) -> *mut u8) -> Self {
        let layout = Self::layout(pages * PAGE);
        let start = NonNull::new(alloc(layout)).unwrap_or_else(|| handle_alloc_error(layout));
        Self {
            start,
            len: pages * PAGE,
            fresh_from,
        }
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len.max(1), PAGE).expect("a span fits in the address space")
    }

    /// The first byte.
    pub fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the span has no page.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its bytes, as they stand now.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the memory is the span's own, and every byte of it was written. Whoever holds a
        // block in it does not write while the bytes are looked at: there is one thread.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// A heap over the span.
    ///
    /// # Safety
    /// The heap is used only while the span lives, and no other heap is over it.
    pub unsafe fn heap(&self) -> Heap {
        let mut heap = Heap::new();
        // SAFETY: the memory is aligned, and the caller makes it the heap's alone.
        unsafe { heap.adopt(self.start, self.len, self.fresh_from) };
        heap
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        // SAFETY: the memory was allocated with this layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.len)) }
    }
}
