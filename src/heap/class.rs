//! Size classes: which requests are small, and the block size that serves each.
//!
//! Up to 256 bytes the classes stand 8 bytes apart, but the first one has blocks of 16, so that a
//! `String` or `Vec<u8>` grows from the 8 bytes that it asks for first to 16 in place. Above, a
//! class is how many blocks a slab holds, so little is left over at its end. Every
//! power of two is a class, and every class above 256 is a multiple of 16: a block's offset in its
//! slab is a multiple of its size, so blocks are aligned to any power of two that divides it.
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

/// A size class: a number below [`CLASSES`], which every way to make one sees to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Class(usize);

/// `size` enlarged so that the class that serves it is a multiple of `align`. At least 1, and
/// greater than [`SMALL_MAX`] unless the request [is small](is_small).
#[inline]
pub(super) const fn padded(size: usize, align: usize) -> usize {
    let size = if size == 0 { 1 } else { size };
    if align <= 16 {
        (size + (align - 1)) & !(align - 1)
    } else {
        (if size > align { size } else { align }).next_power_of_two()
    }
}

/// Whether a slab serves `size` bytes at `align`.
#[inline]
pub(super) const fn is_small(size: usize, align: usize) -> bool {
    size <= SMALL_MAX && align <= SMALL_MAX
}

/// Whether `size` bytes at `align` are small, as most requests are, and aligned like every block.
#[inline]
pub(super) const fn is_plain(size: usize, align: usize) -> bool {
    align <= STEP && size <= SMALL_MAX
}

impl Class {
    /// The class with this number, if there is one.
    #[inline]
    pub(super) const fn numbered(number: usize) -> Option<Self> {
        if number < CLASSES {
            Some(Self(number))
        } else {
            None
        }
    }

    /// As [`numbered`](Self::numbered), of a number that a class has.
    ///
    /// # Safety
    /// `number` came from [`number`](Self::number).
    #[inline]
    pub(super) const unsafe fn numbered_unchecked(number: usize) -> Self {
        // SAFETY: the caller's duty.
        unsafe { assert_unchecked(number < CLASSES) };
        Self(number)
    }

    /// All classes, ascending.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..CLASSES).map(Self)
    }

    /// The class that serves `size` bytes at `align`, if that is told quickly: most requests are so
    /// small, and plain.
    #[inline]
    pub(super) const fn linear(size: usize, align: usize) -> Option<Self> {
        if align <= STEP && size <= LINEAR_MAX {
            Some(Self(size.saturating_sub(1) / STEP))
        } else {
            None
        }
    }

    /// The class that serves `padded` bytes, if one does: from 1 to [`SMALL_MAX`].
    #[inline]
    pub(super) const fn of(padded: usize) -> Option<Self> {
        if padded.wrapping_sub(1) >= SMALL_MAX {
            return None;
        }
        if padded <= LINEAR_MAX {
            return Some(Self((padded - 1) / STEP));
        }
        let size = (padded + 15) & !15;
        // SAFETY: `padded` is greater than `LINEAR_MAX`, and no greater than `SMALL_MAX`.
        unsafe { assert_unchecked(size > 0) };
        let mut blocks = SLAB_BYTES / size;
        if blocks >= CLOSE {
            // Every other one does: each class may keep a slab that is hardly used.
            blocks = (blocks - 1) | 1;
        }
        Some(Self(BEHIND - blocks))
    }

    /// The number of the class.
    #[inline]
    pub(super) const fn number(self) -> usize {
        // SAFETY: the type's invariant. It spares the bounds of arrays by class.
        unsafe { assert_unchecked(self.0 < CLASSES) };
        self.0
    }

    /// The class whose blocks this one has: the second for the first, else itself.
    #[inline]
    pub(super) const fn with_its_blocks(self) -> Self {
        if self.0 == 0 { Self(1) } else { self }
    }

    /// The size of the class's blocks, in bytes.
    #[inline]
    pub(super) const fn block_bytes(self) -> usize {
        if self.number() < LINEAR {
            (self.with_its_blocks().0 + 1) * STEP
        } else {
            (SLAB_BYTES / (BEHIND - self.number())) & !15
        }
    }
}

/// Whether some class has blocks of `bytes`.
pub(super) const fn is_size(bytes: usize) -> bool {
    match Class::of(bytes) {
        Some(class) => class.block_bytes() == bytes,
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_request_gets_the_least_class_that_fits_and_is_aligned() {
        let step = if cfg!(miri) { 61 } else { 1 };
        for log in 0..=12 {
            let align = 1 << log;
            for size in (0..=SMALL_MAX + 100).step_by(step) {
                let padded = padded(size, align);
                let Some(class) = Class::of(padded) else {
                    assert!(padded > SMALL_MAX && !is_small(size, align));
                    continue;
                };
                assert!(is_small(size, align));
                let block = class.block_bytes();
                assert!(Class::linear(size, align).is_none_or(|quick| quick == class));
                assert!(
                    block >= size && block % align == 0,
                    "{size} bytes at {align}: class of {block}"
                );
                assert!(is_size(block) && !(padded..block).any(is_size));
            }
        }
    }

    #[test]
    fn no_number_makes_a_class_that_there_is_not() {
        for bytes in [0, SMALL_MAX + 1, usize::MAX] {
            assert_eq!(Class::of(bytes), None);
            assert!(!is_size(bytes));
        }
        assert_eq!(Class::linear(LINEAR_MAX + 1, 1), None);
        assert_eq!(Class::numbered(CLASSES), None);
        assert_eq!(Class::numbered(usize::MAX), None);
        for class in Class::all() {
            assert_eq!(Class::numbered(class.number()), Some(class));
            assert!(class.block_bytes() <= SMALL_MAX);
        }
    }
}
