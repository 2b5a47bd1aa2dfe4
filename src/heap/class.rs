//! Size classes: which requests are small, and the block size that serves each.
//!
//! Up to 256 bytes the classes stand 8 bytes apart. Above, each is about a whole fraction of a slab, so that
//! nothing worth having is left at a slab's end. Every power of two is a class, and every class above 256 is a
//! multiple of 16: a block's offset in its slab is a multiple of its size, so blocks are aligned to any power of two
//! that divides it.

/// Greatest padded size, in bytes, that a slab serves.
pub(super) const SMALL_MAX: usize = 2048;

/// Number of size classes.
pub(super) const CLASSES: usize = LINEAR + UPPER.len();

const STEP: usize = 8;
const LINEAR: usize = 32;
const UPPER: [u16; 21] = [
    272, 288, 320, 352, 384, 416, 448, 480, 512, 544, 576, 624, 672, 736, 816, 896, 1024, 1168,
    1360, 1632, 2048,
];

/// Block size of each class, in bytes, ascending.
const SIZES: [u16; CLASSES] = {
    let mut sizes = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        sizes[class] = if class < LINEAR {
            ((class + 1) * STEP) as u16
        } else {
            UPPER[class - LINEAR]
        };
        class += 1;
    }
    sizes
};

const ENTRIES: usize = SMALL_MAX / STEP + 1;

/// Class that serves a size of `index * STEP` bytes.
static CLASS_OF: [u8; ENTRIES] = {
    let mut table = [0; ENTRIES];
    let mut class = 0;
    let mut index = 0;
    while index < ENTRIES {
        if index * STEP > SIZES[class] as usize {
            class += 1;
        }
        table[index] = class as u8;
        index += 1;
    }
    table
};

const _: () = {
    assert!(
        SIZES[CLASSES - 1] as usize == SMALL_MAX,
        "the last class serves the greatest small size"
    );
    assert!(LINEAR * STEP == 256 && CLASSES <= u8::MAX as usize);
    let mut class = LINEAR;
    while class < CLASSES {
        assert!(SIZES[class] % 16 == 0 && SIZES[class] > SIZES[class - 1]);
        class += 1;
    }
};

static SIZE_OF: [u16; CLASSES] = SIZES;

/// `size` enlarged so that the class that serves it is a multiple of `align`.
///
/// Greater than [`SMALL_MAX`] exactly when the request belongs to the large level.
#[inline]
pub(super) const fn padded(size: usize, align: usize) -> usize {
    if align <= STEP {
        size
    } else if align <= 16 {
        (if size == 0 { 1 } else { size } + 15) & !15
    } else if size > align {
        size.next_power_of_two()
    } else {
        align
    }
}

/// The class that serves `padded` bytes, which is at most [`SMALL_MAX`].
#[inline]
pub(super) fn of(padded: usize) -> usize {
    debug_assert!(padded <= SMALL_MAX);
    // SAFETY: `padded` is at most `SMALL_MAX`, so the index is below `ENTRIES`.
    let class = unsafe { *CLASS_OF.get_unchecked((padded + (STEP - 1)) >> STEP.ilog2()) };
    usize::from(class)
}

/// The block size of `class`, in bytes.
#[inline]
pub(super) fn size(class: usize) -> usize {
    debug_assert!(class < CLASSES);
    // SAFETY: classes come from `of`, or from a slab that was made for one.
    usize::from(unsafe { *SIZE_OF.get_unchecked(class) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_small_request_gets_the_least_class_that_fits_and_is_aligned() {
        for log in 0..=11 {
            let align = 1 << log;
            for size in 0..=SMALL_MAX {
                let padded = padded(size, align);
                if padded > SMALL_MAX {
                    continue;
                }
                let class = of(padded);
                let block = super::size(class);
                assert!(
                    block >= size && block % align == 0,
                    "{size} bytes at {align}: class of {block}"
                );
                assert!(class == 0 || usize::from(SIZES[class - 1]) < padded);
            }
        }
    }
}
