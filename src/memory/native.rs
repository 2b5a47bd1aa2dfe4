//! A stand-in for linear memory in native processes, so that code above the seam runs in ordinary tests.

use alloc::alloc::{Layout, alloc_zeroed};
use core::ptr::NonNull;

use super::{Memory, StaticEnd};
use crate::exclusive::Exclusive;
use crate::units::{Bytes, PAGE_BYTES, Pages};

/// Threads may run beside us, so a cell takes its lock.
pub(crate) const SINGLE_THREADED: bool = false;

pub(crate) const C_FAMILY: bool = false;

/// One block of zeroed memory, taken whole at first use; the system commits what is touched.
struct Arena {
    start: NonNull<u8>,
    reserved: Pages,
    size: Pages,
}

// SAFETY: the arena owns its memory, and is reached through its lock alone.
unsafe impl Send for Arena {}

static ARENA: Exclusive<Option<Arena>> = Exclusive::new(None);

fn with_arena<R>(f: impl FnOnce(&mut Arena) -> R) -> R {
    ARENA.with(|arena| f(arena.get_or_insert_with(reserve)))
}

fn reserve() -> Arena {
    let mut pages = Bytes::mib(1536).get() / PAGE_BYTES;
    while pages > 0 {
        // Asked for with a page's alignment, it would be filled with zeros: the start is rounded up instead.
        let bytes = ((pages + 1) * PAGE_BYTES) as usize;
        if let Ok(layout) = Layout::from_size_align(bytes, align_of::<usize>()) {
            // SAFETY: the layout's size is not zero.
            if let Some(block) = NonNull::new(unsafe { alloc_zeroed(layout) }) {
                let skip = block.align_offset(PAGE_BYTES as usize);
                return Arena {
                    // SAFETY: less than the one page more that was asked for.
                    start: unsafe { block.add(skip) },
                    reserved: Pages(pages as u32),
                    size: INITIAL,
                };
            }
        }
        pages /= 2;
    }
    Arena {
        start: NonNull::dangling(),
        reserved: Pages::ZERO,
        size: Pages::ZERO,
    }
}

/// As a small module would declare.
const INITIAL: Pages = Pages(1);

/// The process's stand-in for a linear memory.
pub(crate) struct Linear;

impl Memory for Linear {
    fn size(&self) -> Pages {
        with_arena(|arena| arena.size)
    }

    fn grow(&mut self, by: Pages) -> Option<Pages> {
        with_arena(|arena| {
            let before = arena.size;
            let after = before.0.checked_add(by.0)?;
            if after > arena.reserved.0 {
                return None;
            }
            arena.size = Pages(after);
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

/// What the cache loses entries by in this process: the environment variable `STEADFAST_FORGET`, 0 where it is no number.
pub(crate) fn forget_seed() -> u32 {
    extern crate std;
    let seed = std::env::var("STEADFAST_FORGET").ok();
    seed.and_then(|seed| seed.parse().ok()).unwrap_or(0)
}

/// The pointer to an address within the stand-in.
pub(crate) fn pointer(address: u32) -> NonNull<u8> {
    with_arena(|arena| {
        assert!(u64::from(address) <= arena.reserved.bytes().get());
        // SAFETY: the address lies within the arena's one block, or at its end.
        unsafe { arena.start.add(address as usize) }
    })
}

/// Stops the thread that asked.
pub(crate) fn abort() -> ! {
    panic!("steadfast: stopped, as the message before tells")
}

/// A native program keeps its own allocator.
#[doc(hidden)]
#[macro_export]
macro_rules! __install {
    ($plan:expr) => {
        const _: $crate::Plan = $plan;
    };
}
