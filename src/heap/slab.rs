//! Slabs: eight kibibytes of blocks of one class.

use core::ptr::null_mut;

use super::class;
use super::table::{SLAB_BYTES, UNIT};

/// A free block's first word.
#[repr(C)]
pub(super) struct Block {
    pub(super) next: *mut Block,
}

/// What one live block adds to [`Slab::used`]: every word of a slab leaves the page level's two kind bits clear.
pub(super) const LIVE: usize = 4;

/// At most this many bytes (but always one block) are linked into the free list at a time, so that memory is touched
/// little before it is used.
const CARVE_BYTES: usize = 1024;

/// The words of a slab in the page level's table.
#[repr(C)]
pub(super) struct Slab {
    /// Bytes of a block.
    pub(super) size: usize,
    /// Blocks that were carved and are not in use.
    pub(super) free: *mut Block,
    /// Blocks in use, times [`LIVE`].
    pub(super) used: usize,
    /// Blocks from here to `end` were never carved.
    pub(super) fresh: *mut u8,
    pub(super) end: *mut u8,
    /// Neighbours in the class's circular list; null while it is in none.
    pub(super) next: *mut Slab,
    pub(super) prev: *mut Slab,
    /// The class, times [`LIVE`].
    tag: usize,
    rest: [usize; UNIT - 8],
}

impl Slab {
    /// A slab of `class` over the memory at `start`, with no block carved and in no list.
    #[inline]
    pub(super) fn new(class: usize, start: *mut u8) -> Self {
        let size = class::size(class);
        Self {
            size,
            free: null_mut(),
            used: 0,
            fresh: start,
            end: start.wrapping_add(SLAB_BYTES - SLAB_BYTES % size),
            next: null_mut(),
            prev: null_mut(),
            tag: class * LIVE,
            rest: [0; UNIT - 8],
        }
    }

    #[inline]
    pub(super) const fn class(&self) -> usize {
        self.tag / LIVE
    }

    #[inline]
    pub(super) fn is_listed(&self) -> bool {
        !self.next.is_null()
    }

    /// Whether every block was carved.
    #[inline]
    pub(super) fn is_carved(&self) -> bool {
        self.fresh == self.end
    }

    /// Links the next few blocks into the free list, which is empty.
    ///
    /// # Safety
    /// At least one block was never carved.
    pub(super) unsafe fn carve(&mut self) {
        let mut at = self.fresh;
        self.free = at.cast();
        let few = at.addr() + CARVE_BYTES;
        loop {
            let next = at.wrapping_add(self.size);
            let last = next == self.end || next.addr() >= few;
            let link = if last { null_mut() } else { next.cast() };
            // SAFETY: the block at `at` lies below `end`, which is a whole number of blocks away.
            unsafe { at.cast::<Block>().write(Block { next: link }) };
            at = next;
            if last {
                break;
            }
        }
        self.fresh = at;
    }

    /// Puts `slab` at the back of the list whose front is `head`.
    ///
    /// # Safety
    /// `slab` is a slab in no list; `head` is null or the front of its class's list.
    #[inline(never)]
    pub(super) unsafe fn push_back(slab: *mut Slab, head: &mut *mut Slab) {
        // SAFETY: all of them are slabs of this heap.
        unsafe {
            let front = *head;
            if front.is_null() {
                (*slab).next = slab;
                (*slab).prev = slab;
                *head = slab;
            } else {
                let back = (*front).prev;
                (*slab).next = front;
                (*slab).prev = back;
                (*back).next = slab;
                (*front).prev = slab;
            }
        }
    }

    /// Takes `slab` out of the list whose front is `head`.
    ///
    /// # Safety
    /// `slab` is in that list.
    #[inline(never)]
    pub(super) unsafe fn unlink(slab: *mut Slab, head: &mut *mut Slab) {
        // SAFETY: all of them are slabs of this heap.
        unsafe {
            let (next, prev) = ((*slab).next, (*slab).prev);
            (*slab).next = null_mut();
            if next == slab {
                *head = null_mut();
                return;
            }
            (*prev).next = next;
            (*next).prev = prev;
            if *head == slab {
                *head = next;
            }
        }
    }
}
