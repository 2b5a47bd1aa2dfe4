//! Slabs: eight kibibytes of blocks of one class.

use core::ptr::null_mut;

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
    /// The class, times [`LIVE`].
    tag: usize,
    /// Blocks that were carved and are not in use.
    pub(super) free: *mut Block,
    /// Blocks in use, times [`LIVE`].
    pub(super) used: usize,
    /// Blocks from here to `end` were never carved.
    pub(super) fresh: *mut u8,
    pub(super) end: *mut u8,
    /// Neighbours in the class's circular list.
    pub(super) next: *mut Slab,
    pub(super) prev: *mut Slab,
    /// [`LIVE`] while the slab is in its class's list, else 0.
    listed: usize,
}

impl Slab {
    /// A slab of `class` over the memory from `start` to `end`, with no block carved and in no list.
    #[inline]
    pub(super) fn new(class: usize, start: *mut u8, end: *mut u8) -> Self {
        Self {
            tag: class * LIVE,
            free: null_mut(),
            used: 0,
            fresh: start,
            end,
            next: null_mut(),
            prev: null_mut(),
            listed: 0,
        }
    }

    #[inline]
    pub(super) const fn class(&self) -> usize {
        self.tag / LIVE
    }

    #[inline]
    pub(super) const fn is_listed(&self) -> bool {
        self.listed != 0
    }

    /// Whether every block was carved.
    #[inline]
    pub(super) fn is_carved(&self) -> bool {
        self.fresh == self.end
    }

    /// Links the next few blocks of `size` bytes into the free list, which is empty.
    ///
    /// # Safety
    /// At least one block was never carved, and `size` is that of the slab's class.
    pub(super) unsafe fn carve(&mut self, size: usize) {
        let mut at = self.fresh;
        self.free = at.cast();
        let few = at.addr() + CARVE_BYTES;
        loop {
            let next = at.wrapping_add(size);
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
    pub(super) unsafe fn push_back(slab: *mut Slab, head: &mut *mut Slab) {
        // SAFETY: all of them are slabs of this heap.
        unsafe {
            (*slab).listed = LIVE;
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
    pub(super) unsafe fn unlink(slab: *mut Slab, head: &mut *mut Slab) {
        // SAFETY: all of them are slabs of this heap.
        unsafe {
            (*slab).listed = 0;
            let (next, prev) = ((*slab).next, (*slab).prev);
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
