//! A stand-in for linear memory in native processes, so that code above the seam runs in ordinary
//! tests.
//!
//! A thread is what an instance is in a host: it has a memory of its own, and its own copy of every
//! static that an instance has. So tests that run side by side do not see each other.

pub(crate) extern crate std;

use alloc::alloc::{Layout, alloc_zeroed, dealloc};
use alloc::sync::Arc;
use core::cell::Cell;
use core::ptr::{self, NonNull};
use std::thread::LocalKey;

use super::{Memory, StaticEnd};
use crate::exclusive::Exclusive;
use crate::units::{Bytes, PAGE_BYTES, Pages};

/// Threads may run beside us, so a cell takes its lock.
pub(crate) const SINGLE_THREADED: bool = false;

pub(crate) const C_FAMILY: bool = false;

pub(crate) const COMPONENTS: bool = false;

/// Declares statics of which each thread has its own.
macro_rules! per_instance {
    ($($(#[$attribute:meta])* $visibility:vis static $name:ident: $cell:ty = $value:expr;)+) => {$(
        $(#[$attribute])*
        $visibility static $name: $crate::memory::platform::PerThread<$cell> = {
            $crate::memory::platform::std::thread_local! {
                static CELL: $cell = const { $value };
            }
            $crate::memory::platform::PerThread::new(&CELL)
        };
    )+};
}
pub(crate) use per_instance;

/// A cell of which each thread has its own.
pub struct PerThread<C: 'static>(&'static LocalKey<C>);

impl<C> PerThread<C> {
    pub(crate) const fn new(key: &'static LocalKey<C>) -> Self {
        Self(key)
    }
}

impl<T> PerThread<Exclusive<T>> {
    /// As [`Exclusive::with`], of this thread's cell.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        self.0.with(|cell| cell.with(f))
    }
}

impl<T: Copy> PerThread<Exclusive<T>> {
    /// As [`Exclusive::get`], of this thread's cell.
    pub fn get(&self) -> T {
        self.0.with(Exclusive::get)
    }

    /// As [`Exclusive::set`], of this thread's cell.
    pub fn set(&self, value: T) {
        self.0.with(|cell| cell.set(value));
    }
}

/// Tells a thread from all others that live; not 0.
pub(crate) fn this_thread() -> usize {
    std::thread_local! {
        static HERE: u8 = const { 0 };
    }
    HERE.with(|here| ptr::from_ref(here).addr())
}

/// One block of zeroed memory, taken whole; the system commits what is touched.
#[derive(Debug)]
struct Arena {
    block: NonNull<u8>,
    /// Of size 0 where no memory could be had.
    layout: Layout,
    /// The first whole page.
    start: NonNull<u8>,
    reserved: Pages,
}

// SAFETY: the fields are only read. What they point to belongs to the holder of the one region.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    fn new() -> Self {
        let mut pages = Bytes::mib(1536).get() / PAGE_BYTES;
        while pages > 0 {
            // Asked for with a page's alignment, it would be filled with zeros: the start is
            // rounded up instead.
            let bytes = ((pages + 1) * PAGE_BYTES) as usize;
            if let Ok(layout) = Layout::from_size_align(bytes, align_of::<usize>()) {
                // SAFETY: the layout's size is not zero.
                if let Some(block) = NonNull::new(unsafe { alloc_zeroed(layout) }) {
                    let skip = block.align_offset(PAGE_BYTES as usize);
                    return Self {
                        block,
                        layout,
                        // SAFETY: less than the one page more that was asked for.
                        start: unsafe { block.add(skip) },
                        reserved: Pages(pages as u32),
                    };
                }
            }
            pages /= 2;
        }
        Self {
            block: NonNull::dangling(),
            layout: Layout::new::<()>(),
            start: NonNull::dangling(),
            reserved: Pages::ZERO,
        }
    }

    fn pointer(&self, address: u32) -> NonNull<u8> {
        assert!(u64::from(address) <= self.reserved.bytes().get());
        // SAFETY: the address lies within the arena's one block, or at its end.
        unsafe { self.start.add(address as usize) }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        if self.layout.size() > 0 {
            // SAFETY: allocated with this layout; whoever has a pointer into it holds a lease, and
            // the last lease is gone.
            unsafe { dealloc(self.block.as_ptr(), self.layout) };
        }
    }
}

/// This thread's linear memory.
struct Instance {
    arena: Arc<Arena>,
    size: Cell<Pages>,
}

std::thread_local! {
    static INSTANCE: Instance = Instance::new();
}

/// As a small module would declare.
const INITIAL: Pages = Pages(1);

impl Instance {
    fn new() -> Self {
        let arena = Arc::new(Arena::new());
        let size = Cell::new(INITIAL.min(arena.reserved));
        Self { arena, size }
    }
}

/// Keeps the memory of a region alive. A region may outlive the thread that reserved it.
#[derive(Debug)]
pub(crate) struct Lease(Option<Arc<Arena>>);

impl Lease {
    /// For memory that is somebody else's to keep.
    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Whether this thread's linear memory is the leased one, so that to grow it extends the
    /// region.
    pub(crate) fn is_here(&self) -> bool {
        let Some(arena) = &self.0 else {
            return true;
        };
        // A thread that ends has no memory any more.
        INSTANCE
            .try_with(|instance| Arc::ptr_eq(&instance.arena, arena))
            .unwrap_or(false)
    }
}

/// This thread's stand-in for a linear memory.
pub(crate) struct Linear;

impl Memory for Linear {
    fn size(&self) -> Pages {
        INSTANCE.with(|instance| instance.size.get())
    }

    fn grow(&mut self, by: Pages) -> Option<Pages> {
        INSTANCE.with(|instance| {
            let before = instance.size.get();
            let after = before.0.checked_add(by.0)?;
            if after > instance.arena.reserved.0 {
                return None;
            }
            instance.size.set(Pages(after));
            Some(before)
        })
    }
}

pub(crate) fn static_end() -> StaticEnd {
    StaticEnd {
        contents: INITIAL.bytes().get() as u32,
        initial_memory: INITIAL.bytes().get() as u32,
    }
}

/// What the cache loses entries by in this process: the environment variable `STEADFAST_FORGET`, 0
/// where there is none.
pub(crate) fn forget_seed() -> u32 {
    let Some(seed) = std::env::var_os("STEADFAST_FORGET") else {
        return 0;
    };
    let number = seed.to_str().and_then(|seed| seed.parse().ok());
    number.unwrap_or_else(|| {
        panic!("STEADFAST_FORGET is {seed:?}; it must be a number from 0 to 4294967295")
    })
}

/// The pointer to an address in this thread's linear memory, and what keeps that memory.
pub(crate) fn leased(address: u32) -> (NonNull<u8>, Lease) {
    INSTANCE.with(|instance| {
        let arena = &instance.arena;
        (arena.pointer(address), Lease(Some(Arc::clone(arena))))
    })
}

/// The pointer to an address in this thread's linear memory, which stays for ever then: a global
/// allocator's blocks outlive every thread.
pub(crate) fn pointer(address: u32) -> NonNull<u8> {
    let (pointer, lease) = leased(address);
    core::mem::forget(lease);
    pointer
}

/// Whether [`last_words`] says anything.
pub(crate) const HAS_STANDARD_ERROR: bool = false;

/// Says nothing: a native program keeps its own allocator.
pub fn last_words(_line: &str) {}

/// Stops the thread that asked.
pub(crate) fn abort() -> ! {
    panic!("steadfast: stopped; the backtrace tells why, or a message before")
}

/// A native program keeps its own allocator.
#[doc(hidden)]
#[macro_export]
macro_rules! __install {
    ($plan:expr) => {
        const _: $crate::Plan = $plan;
    };
}
