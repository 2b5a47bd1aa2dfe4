//! Blocks straight from the global allocator.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};

/// Bytes between two words written: every page of a block that a machine would back is touched.
const STRIDE: usize = 4096;

/// A block that is written throughout, though sparsely.
pub struct Block {
    start: *mut u64,
    size: usize,
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("the sizes are small")
}

impl Block {
    /// A block of `size` bytes, at least 8 and rounded up to words, that holds `value`.
    #[inline]
    pub fn new(size: usize, value: u64) -> Self {
        let size = (size + 7) & !7;
        // SAFETY: the size is not zero, and the block has a word at either end.
        unsafe {
            let start = alloc(layout(size)).cast::<u64>();
            if start.is_null() {
                handle_alloc_error(layout(size));
            }
            start.add(size / 8 - 1).write(value);
            for at in (0..size / 8).step_by(STRIDE / 8) {
                start.add(at).write(value);
            }
            Self { start, size }
        }
    }

    /// Frees the block, and answers its value if both ends still hold it.
    #[inline]
    pub fn take(self) -> u64 {
        // SAFETY: the block is live, and freed with its layout.
        unsafe {
            let first = self.start.read();
            let last = self.start.add(self.size / 8 - 1).read();
            dealloc(self.start.cast(), layout(self.size));
            if first == last { first } else { u64::MAX }
        }
    }
}

/// Takes a number into a checksum.
#[inline]
pub fn mix(sum: u64, value: u64) -> u64 {
    (sum ^ value)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(25)
}
