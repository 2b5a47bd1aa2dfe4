//! Slabs: eight kibibytes of blocks of one class.

use core::hint::assert_unchecked;
use core::ptr::{null_mut, without_provenance_mut};

use super::class::Class;
use super::table::{SLAB_BYTES, UNIT};

/// A free block's first word.
#[repr(C)]
pub(super) struct FreeBlock {
    pub(super) next: *mut FreeBlock,
}

/// What one live block adds to [`Slab::used`]: every word of a slab leaves the page level's two
/// kind bits clear.
pub(super) const LIVE: usize = 4;

/// Where the free list of a slab ends that is in no list, since all its blocks are in use. No block
/// stands there.
pub(super) const FULL: *mut FreeBlock = without_provenance_mut(LIVE);

/// The words of a slab in the page level's table.
#[repr(C)]
pub(super) struct Slab {
    /// Bytes of a block.
    pub(super) size: usize,
    /// The block that was given back last; each links the one before.
    pub(super) free: *mut FreeBlock,
    /// Blocks in use, times [`LIVE`].
    pub(super) used: usize,
    /// Blocks from here to `end` were never in use.
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
    /// A slab of `class` over the memory at `start`, with no block in use and in no list.
    #[inline]
    pub(super) fn new(class: Class, start: *mut u8) -> Self {
        let size = class.block_bytes();
        Self {
            size,
            free: null_mut(),
            used: 0,
            fresh: start,
            end: start.wrapping_add(SLAB_BYTES - SLAB_BYTES % size),
            next: null_mut(),
            prev: null_mut(),
            tag: class.number() * LIVE,
            rest: [0; UNIT - 8],
        }
    }

    /// # Safety
    /// The slab's words are as the heap wrote them.
    #[inline]
    pub(super) const unsafe fn class(&self) -> Class {
        // SAFETY: `new` alone writes the tag.
        unsafe { Class::numbered_unchecked(self.tag / LIVE) }
    }

    /// As [`class`](Self::class), whatever the words are.
    pub(super) const fn checked_class(&self) -> Option<Class> {
        Class::numbered(self.tag / LIVE)
    }

    #[inline]
    pub(super) fn is_listed(&self) -> bool {
        !self.next.is_null()
    }

    /// Whether all blocks are in use.
    #[inline]
    pub(super) fn is_used_up(&self) -> bool {
        self.free.is_null() && self.fresh == self.end
    }

    /// A block that is not in use: the one given back last, or else the next that never was. Null
    /// if there is none.
    ///
    /// # Safety
    /// The slab is in its class's list.
    #[inline]
    pub(super) unsafe fn take(&mut self) -> *mut u8 {
        let mut block = self.free.cast::<u8>();
        if block.is_null() {
            block = self.fresh;
            if block == self.end {
                return null_mut();
            }
            // SAFETY: the slab's memory does not stand at address 0.
            unsafe { assert_unchecked(!block.is_null()) };
            self.fresh = block.wrapping_add(self.size);
        } else {
            // SAFETY: the free list of a listed slab holds free blocks.
            self.free = unsafe { (*self.free).next };
        }
        self.used += LIVE;
        block
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
