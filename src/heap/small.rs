//! Small blocks: the front slab of each class, and what happens when it is used up or empties.

use core::mem::MaybeUninit;
use core::ptr::{self, null_mut};

use super::Heap;
use super::class::{Class, STEP};
use super::slab::{FULL, FreeBlock, LIVE, Slab};
use super::table::{NOWHERE, UNIT};

/// As [`copy_nonoverlapping`](ptr::copy_nonoverlapping), which engines turn into a call out of the
/// module that takes as long as copying a few hundred bytes does.
///
/// # Safety
/// As there.
unsafe fn copy_words(from: *const MaybeUninit<u64>, to: *mut MaybeUninit<u64>, words: usize) {
    const FEW: usize = 32;
    // SAFETY: as the caller says.
    unsafe {
        if words > FEW {
            return ptr::copy_nonoverlapping(from, to, words);
        }
        // Two at a time, or the compiler makes one copy of it again.
        let mut at = words % 2;
        if at > 0 {
            to.write(from.read());
        }
        while at < words {
            let pair = (from.add(at).read(), from.add(at + 1).read());
            to.add(at).write(pair.0);
            to.add(at + 1).write(pair.1);
            at += 2;
        }
    }
}

impl Heap {
    #[inline]
    pub(super) fn alloc_small(&mut self, class: Class) -> *mut u8 {
        let slab = *self.head(class);
        // SAFETY: a head that is not null is a slab of this heap, in its class's list.
        unsafe {
            if !slab.is_null() {
                let block = (*slab).take();
                if !block.is_null() {
                    return block;
                }
            }
        }
        self.alloc_small_apart(class)
    }

    /// As [`alloc_small`](Self::alloc_small), in a call of its own.
    #[inline(never)]
    pub(super) fn alloc_small_apart(&mut self, class: Class) -> *mut u8 {
        let head = self.head(class);
        let mut slab = *head;
        // SAFETY: heads and their neighbours are slabs of this heap. Only the head is ever used up.
        unsafe {
            if !slab.is_null() && (*slab).is_used_up() {
                // It comes back to the list when one of its blocks does.
                (*slab).free = FULL;
                Slab::unlink(slab, head);
                slab = *head;
            }
            if slab.is_null() {
                slab = self.new_slab(class);
            }
            if slab.is_null() {
                return null_mut();
            }
            (*slab).take()
        }
    }

    fn new_slab(&mut self, class: Class) -> *mut Slab {
        let at = self.take_run(UNIT, UNIT);
        if at == NOWHERE {
            return null_mut();
        }
        let start = self.runs.address(at);
        let slab = self.runs.slab_at(at);
        // SAFETY: the run was just taken for this slab, so its words are free to write.
        unsafe {
            slab.write(Slab::new(class, start));
            Slab::push_back(slab, self.head(class));
        }
        slab
    }

    /// # Safety
    /// `ptr` is a live small block of this heap.
    #[inline]
    pub(super) unsafe fn free_small(&mut self, ptr: *mut u8) {
        let slab = self.runs.slab_of(ptr);
        let block = ptr.cast::<FreeBlock>();
        // SAFETY: the block is in a slab, whose words are found by its address; it has room for a
        // link.
        unsafe {
            let next = (*slab).free;
            (*block).next = next;
            (*slab).free = block;
            let used = (*slab).used - LIVE;
            (*slab).used = used;
            // The last slab of a class stays, so that a program that takes and frees one block in
            // turn is quick.
            if next == FULL || (used == 0 && (*slab).next != slab) {
                self.settle(slab);
            }
        }
    }

    /// Whether a block holds `size` bytes, and is not more than about twice as large: then it is
    /// not worth moving.
    ///
    /// # Safety
    /// `ptr` is a live small block of this heap.
    #[inline]
    pub(super) unsafe fn serves(&self, ptr: *mut u8, size: usize) -> bool {
        // SAFETY: as for `free_small`.
        let have = unsafe { (*self.runs.slab_of(ptr)).size };
        size <= have && have <= 2 * (size + STEP)
    }

    /// Moves the first `len` bytes of a small block into a new one of `class`, and takes the old
    /// one back. Null if no memory can be had.
    ///
    /// # Safety
    /// `ptr` is a live small block of this heap; the classes of both blocks hold `len` bytes.
    #[inline(never)]
    pub(super) unsafe fn move_small(&mut self, ptr: *mut u8, len: usize, class: Class) -> *mut u8 {
        let block = self.alloc_small(class);
        if !block.is_null() {
            // SAFETY: both hold so many bytes, and they are apart.
            unsafe {
                copy_words(ptr.cast(), block.cast(), len.div_ceil(size_of::<u64>()));
                self.free_small(ptr);
            }
        }
        block
    }

    /// After a block came back to `slab`: lists it if it was full, and gives it back if it is
    /// empty.
    ///
    /// # Safety
    /// `slab` is a slab of this heap.
    #[cold]
    #[inline(never)]
    unsafe fn settle(&mut self, slab: *mut Slab) {
        // SAFETY: the slab is in its class's list exactly when it is marked so.
        unsafe {
            let head = self.head((*slab).class());
            if !(*slab).is_listed() {
                (*(*slab).free).next = null_mut();
                Slab::push_back(slab, head);
            }
            if (*slab).used == 0 && (*slab).next != slab {
                self.release(slab);
            }
        }
    }

    /// A run as [`Runs::take`](super::runs::Runs::take) finds it, for which empty slabs are given
    /// back if they must be.
    #[inline(never)]
    pub(super) fn take_run(&mut self, len: usize, align: usize) -> usize {
        loop {
            let at = self.runs.take(len, align);
            if at != NOWHERE || !self.release_empty_slabs() {
                return at;
            }
        }
    }

    /// Gives back every empty slab. False if there was none.
    #[cold]
    #[inline(never)]
    fn release_empty_slabs(&mut self) -> bool {
        // Nothing was taken yet, or no other place is as good as the one that is somebody's.
        if self.usage().held_bytes == 0 || self.foreign().is_some() {
            return false;
        }
        let mut any = false;
        for class in Class::all() {
            let slab = *self.head(class);
            // SAFETY: a head that is not null is a slab of this heap. Others than heads are
            // released when they empty.
            unsafe {
                if !slab.is_null() && (*slab).used == 0 {
                    self.release(slab);
                    any = true;
                }
            }
        }
        any
    }

    /// # Safety
    /// `slab` is a slab of this heap, in its class's list, with no block in use.
    #[inline(never)]
    unsafe fn release(&mut self, slab: *mut Slab) {
        // SAFETY: as the caller says.
        unsafe {
            let head = self.head((*slab).class());
            Slab::unlink(slab, head);
            self.runs.free(self.runs.granule_of_slab(slab), UNIT);
        }
    }

    #[inline]
    fn head(&mut self, class: Class) -> &mut *mut Slab {
        &mut self.heads[class.number()]
    }
}
