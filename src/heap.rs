//! The allocator core: one span of memory, never more.
//!
//! Small requests are served by *slabs*, eight kibibytes of blocks of one size each. The `Layout`
//! that Rust hands back tells them from others, and a block's address tells its slab, so blocks
//! carry no header. Everything else, slabs included, is a *run* of granules of 512 bytes, coalesced
//! through a table at the start of the span. Every operation does a bounded amount of work, apart
//! from the bytes that it copies or clears.
//!
//! Which address a request gets, and whether it gets one, depends on the requests so far and on the
//! span's length alone: never on what the span's memory holds.

mod bins;
mod class;
mod large;
mod map;
mod runs;
mod slab;
mod small;
mod stats;
mod table;
mod undeclared_pages;
mod usage;
mod validate;

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::{self, NonNull, null_mut};

use class::{CLASSES, Class, SMALL_MAX, padded};
use runs::Runs;
use slab::Slab;
use table::GRANULE;

pub use map::{HeapMap, MapError, Part, PartKind};
pub use stats::{ClassStats, HeapStats};
pub use usage::HeapUsage;
pub use validate::HeapError;

/// Greatest alignment served, in bytes.
pub const MAX_ALIGN: usize = 64 * 1024;

/// An allocator over one span of memory.
///
/// A new heap owns nothing and refuses every request until it [adopts](Heap::adopt) a span. It
/// never panics.
///
/// ```
/// use core::alloc::Layout;
/// use core::ptr::NonNull;
/// use steadfast::heap::Heap;
///
/// #[repr(align(65536))]
/// struct Span([u8; 65536]);
///
/// let mut span = Box::new(Span([0; 65536]));
/// let mut heap = Heap::new();
/// assert!(heap.alloc(Layout::new::<u64>()).is_null());
///
/// let start = NonNull::from(&mut *span).cast();
/// // SAFETY: the span is aligned, and used by the heap alone until the end.
/// unsafe { heap.adopt(start, 65536, 0) };
/// let block = heap.alloc(Layout::new::<[u64; 3]>());
/// assert!(!block.is_null());
/// assert_eq!(heap.stats().live_bytes, 24);
/// // SAFETY: the block came from this heap with this layout.
/// unsafe { heap.dealloc(block, Layout::new::<[u64; 3]>()) };
/// assert_eq!(heap.validate(), Ok(()));
/// ```
pub struct Heap {
    /// The slab that each class's next block comes from: the front of its circular list.
    heads: [*mut Slab; CLASSES],
    runs: Runs,
}

// SAFETY: a heap is the only user of its span, and may be moved to another thread with it.
unsafe impl Send for Heap {}

impl Default for Heap {
    fn default() -> Self {
        Self::new()
    }
}

impl Heap {
    /// A heap that owns nothing: every request fails.
    pub const fn new() -> Self {
        Self {
            heads: [null_mut(); CLASSES],
            runs: Runs::new(),
        }
    }

    /// Whether a span has been adopted.
    pub fn is_adopted(&self) -> bool {
        self.runs.is_adopted()
    }

    /// Takes over the span of `len` bytes at `start`. Constant cost: two words of it are written at
    /// most.
    ///
    /// A table at the span's start takes one 128th of it (a 64th where pointers have eight bytes),
    /// and is touched no further than the heap has grown.
    ///
    /// # Safety
    /// * The heap has adopted no span before.
    /// * `start` is a multiple of 64 KiB, `len` is too and is below 4 GiB; `len` may be 0.
    /// * The span is readable and writable, and exclusively the heap's from now on.
    /// * Its bytes from offset `fresh_from` on are zero. What the others hold does not matter.
    pub unsafe fn adopt(&mut self, start: NonNull<u8>, len: usize, fresh_from: usize) {
        // SAFETY: the caller keeps the same contract.
        unsafe { self.adopt_beside(start, len, fresh_from, 0..0) }
    }

    /// As [`adopt`](Heap::adopt), where the bytes at the offsets in `undeclared` may be somebody
    /// else's: those of them that hold anything are.
    ///
    /// The heap looks before it first takes any of them: at all of its table in this call, at
    /// others up to 128 KiB ahead. When it finds a byte other than zero it has written nothing near
    /// it. Then it answers null, [tells where](Heap::foreign), and takes nothing more that it has
    /// not used before.
    ///
    /// # Safety
    /// As for [`adopt`](Heap::adopt); `undeclared` lies in the span, and begins and ends at multiples
    /// of 64 KiB. Of those bytes, the ones that are zero are exclusively the heap's; nobody writes
    /// the others while the heap looks at them.
    pub unsafe fn adopt_beside(
        &mut self,
        start: NonNull<u8>,
        len: usize,
        fresh_from: usize,
        undeclared: Range<usize>,
    ) {
        debug_assert!(
            !self.is_adopted() && start.addr().get() % MAX_ALIGN == 0 && len % MAX_ALIGN == 0
        );
        // SAFETY: the caller keeps the same contract.
        unsafe { self.runs.adopt(start, len, fresh_from, undeclared) }
    }

    /// The address of a word that is somebody else's, once the heap has come to it.
    pub fn foreign(&self) -> Option<usize> {
        self.runs.foreign()
    }

    /// A block for `layout`, or null if none fits.
    ///
    /// A request of zero bytes gets a block of its own. Alignments beyond [`MAX_ALIGN`] get null.
    #[inline]
    pub fn alloc(&mut self, layout: Layout) -> *mut u8 {
        match Class::linear(layout.size(), layout.align()) {
            Some(class) => self.alloc_small(class),
            None => self.alloc_any(layout),
        }
    }

    /// As [`alloc`](Heap::alloc), for any layout.
    #[inline(never)]
    fn alloc_any(&mut self, layout: Layout) -> *mut u8 {
        match Class::of(padded(layout.size(), layout.align())) {
            Some(class) => self.alloc_small_apart(class),
            None => self.alloc_large(layout.size(), layout.align()),
        }
    }

    /// As [`alloc`](Heap::alloc), with every byte zero. Memory that is known never to have been
    /// written is not written again.
    #[inline(never)]
    pub fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        let fresh = self.runs.fresh();
        let block = self.alloc_any(layout);
        if !block.is_null() {
            let mut written = layout.size();
            // A slab may have stood where something was written.
            if written > SMALL_MAX {
                written = written.min(fresh.saturating_sub(self.runs.offset(block)));
            }
            // SAFETY: the block has `size` bytes, and those from `fresh` on were zero before this
            // request.
            unsafe { block.write_bytes(0, written) };
        }
        block
    }

    /// Takes a block back.
    ///
    /// # Safety
    /// `ptr` came from this heap for `layout` (or was last resized to it), is still live, and is
    /// used no more.
    #[inline]
    pub unsafe fn dealloc(&mut self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the layout tells the level that the block came from.
        unsafe {
            if class::is_small(layout.size(), layout.align()) {
                self.free_small(ptr);
            } else {
                self.free_large(ptr);
            }
        }
    }

    /// Resizes a block, in place where it is as large as that and not more than about twice as
    /// large, or where the free run behind it allows; else the contents are copied to a new
    /// block. Null, with the old block as it was, if no memory can be had.
    ///
    /// # Safety
    /// As for [`dealloc`](Heap::dealloc); and `new_size`, rounded up to the layout's alignment, is
    /// at most `isize::MAX`.
    #[inline]
    pub unsafe fn realloc(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: as the caller says.
        unsafe {
            if class::is_plain(size, align) {
                if self.serves(ptr, new_size) {
                    return ptr;
                }
                if let Some(class) = Class::linear(new_size, align) {
                    return self.move_small(ptr, size.min(new_size), class);
                }
            }
            self.realloc_any(ptr, layout, new_size)
        }
    }

    /// As [`realloc`](Heap::realloc), for any layout.
    ///
    /// # Safety
    /// As there.
    #[inline(never)]
    unsafe fn realloc_any(&mut self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (size, align) = (layout.size(), layout.align());
        let was_small = class::is_small(size, align);
        // SAFETY: as the caller says; the new block is apart from the old.
        unsafe {
            let stays = if was_small {
                self.serves(ptr, padded(new_size, align))
            } else {
                !class::is_small(new_size, align) && self.resize_large(ptr, new_size)
            };
            if stays {
                return ptr;
            }
            // Without it the block would have grown where it is, and no other place is as good.
            if self.foreign().is_some() {
                return null_mut();
            }
            let block = self.alloc_any(Layout::from_size_align_unchecked(new_size, align));
            if !block.is_null() {
                ptr::copy_nonoverlapping(ptr, block, size.min(new_size));
                self.dealloc(ptr, layout);
            }
            block
        }
    }

    /// A layout under which the live block at `ptr` may be given to [`dealloc`](Heap::dealloc) or
    /// [`realloc`](Heap::realloc), for callers that do not keep theirs. Its size is the whole
    /// block's: at least the size that was asked for, and all of it may be used. Constant cost.
    ///
    /// # Safety
    /// `ptr` came from this heap and is live.
    pub unsafe fn layout_of(&self, ptr: *mut u8) -> Layout {
        // SAFETY: the block is live, so a large block's or a slab's words stand in the table.
        let (size, align) = unsafe {
            let large = if ptr.addr() % GRANULE == 0 {
                self.runs.large_len(self.runs.granule_of(ptr))
            } else {
                None
            };
            match large {
                // A short run belongs to a request that was large by its alignment.
                Some(len) if len * GRANULE <= SMALL_MAX => (len * GRANULE, 2 * SMALL_MAX),
                Some(len) => (len * GRANULE, 1),
                None => ((*self.runs.slab_of(ptr)).size, 1),
            }
        };
        // SAFETY: the alignment is a power of two, and the size is that of a block that exists.
        unsafe { Layout::from_size_align_unchecked(size, align) }
    }
}
