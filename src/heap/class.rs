//! Size classes: which requests are small, and the block size that serves each.
//!
//! Up to 256 bytes the classes stand 8 bytes apart, but the first one has blocks of 16, so that a `String` or `Vec<u8>` grows from
//! the 8 bytes that it asks for first to 16 in place. Above, a class is how many blocks a slab holds, so that nothing
//! worth having is left at its end. Every power of two is a class, and every class above 256 is a multiple of 16: a
//! block's offset in its slab is a multiple of its size, so blocks are aligned to any power of two that divides it.
//! All of it is arithmetic, which takes less room in a module than tables.

use core::hint::assert_unchecked;

use super::table::SLAB_BYTES;

/// Greatest padded size, in bytes, that a slab serves.
pub(super) const SMALL_MAX: usize = 2048;

/// Number of classes. A few of them serve nothing.
pub(super) const CLASSES: usize = BEHIND - FEWEST + 1;

/// Alignment of every block, in bytes, and the distance of the classes up to [`LINEAR_MAX`].
pub(super) const STEP: usize = 8;
const LINEAR_MAX: usize = 256;

/// Number of classes up to [`LINEAR_MAX`].
const LINEAR: usize = LINEAR_MAX / STEP;

/// Blocks of the first class above [`LINEAR_MAX`] in a slab, and of the last.
const MOST: usize = SLAB_BYTES / (LINEAR_MAX + 16);
const FEWEST: usize = SLAB_BYTES / SMALL_MAX;

/// From so many blocks in a slab on, one more or less makes a difference of less than 32 bytes.
const CLOSE: usize = 20;

/// A class above [`LINEAR_MAX`] is this, less the blocks in a slab.
const BEHIND: usize = LINEAR + MOST;

const _: () = assert!(LINEAR_MAX % STEP == 0 && SLAB_BYTES % SMALL_MAX == 0);

/// `size` enlarged so that the class that serves it is a multiple of `align`.
///
/// At least 1, and greater than [`SMALL_MAX`] exactly when the request belongs to the large level.
#[inline]
pub(super) const fn padded(size: usize, align: usize) -> usize {
    let size = if size == 0 { 1 } else { size };
    if align <= 16 {
        (size + (align - 1)) & !(align - 1)
    } else {
        (if size > align { size } else { align }).next_power_of_two()
    }
}

/// Whether `size` bytes at `align` are small and need no padding to tell so.
#[inline]
pub(super) const fn is_plain(size: usize, align: usize) -> bool {
    align <= STEP && size <= SMALL_MAX
}

/// The class that serves `size` bytes at `align`, if that is told quickly: most requests are so small, and plain.
#[inline]
pub(super) const fn linear(size: usize, align: usize) -> Option<usize> {
    if align <= STEP && size <= LINEAR_MAX {
        Some(size.saturating_sub(1) / STEP)
    } else {
        None
    }
}

/// The class that serves `padded` bytes: from 1 to [`SMALL_MAX`].
#[inline]
pub(super) const fn of(padded: usize) -> usize {
    // SAFETY: what is padded is at least 1, and callers know it for small.
    unsafe { assert_unchecked(padded > 0 && padded <= SMALL_MAX) };
    if padded <= LINEAR_MAX {
        (padded - 1) / STEP
    } else {
        let size = (padded + 15) & !15;
        // SAFETY: as before, so it is at least `LINEAR_MAX`.
        unsafe { assert_unchecked(size > 0) };
        let mut blocks = SLAB_BYTES / size;
        if blocks >= CLOSE {
            // Every other one does: each class may keep a slab that is hardly used.
            blocks = (blocks - 1) | 1;
        }
        BEHIND - blocks
    }
}

/// The class whose blocks `class` has: the second for the first, else itself.
#[inline]
pub(super) const fn with_blocks_of(class: usize) -> usize {
    if class == 0 { 1 } else { class }
}

/// The block size of `class`, in bytes.
#[inline]
pub(super) const fn size(class: usize) -> usize {
    // SAFETY: classes come from `of`, or from a slab that was made for one.
    unsafe { assert_unchecked(class < CLASSES) };
    if class < LINEAR {
        (with_blocks_of(class) + 1) * STEP
    } else {
        (SLAB_BYTES / (BEHIND - class)) & !15
    }
}

/// Whether some class has blocks of `bytes`.
pub(super) const fn is_size(bytes: usize) -> bool {
    bytes > 0 && bytes <= SMALL_MAX && size(of(bytes)) == bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_request_gets_the_least_class_that_fits_and_is_aligned() {
        let step = if cfg!(miri) { 61 } else { 1 };
        for log in 0..=11 {
            let align = 1 << log;
            for size in (0..=SMALL_MAX).step_by(step) {
                let padded = padded(size, align);
                if padded > SMALL_MAX {
                    continue;
                }
                let class = of(padded);
                let block = super::size(class);
                assert!(class < CLASSES && linear(size, align).is_none_or(|quick| quick == class));
                assert!(
                    block >= size && block % align == 0,
                    "{size} bytes at {align}: class of {block}"
                );
                assert!(is_size(block) && !(padded..block).any(is_size));
            }
        }
    }
}
