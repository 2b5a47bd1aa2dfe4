//! The crate `lol_alloc`, its free list, as its documentation recommends for one thread.

use lol_alloc::{AssumeSingleThreaded, FreeListAllocator};

#[global_allocator]
// SAFETY: the module has one thread.
static ALLOCATOR: AssumeSingleThreaded<FreeListAllocator> =
    unsafe { AssumeSingleThreaded::new(FreeListAllocator::new()) };
