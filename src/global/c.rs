//! C's allocation family on `wasm32-wasip1`, over its own fixed part of the budget.
//!
//! One heap for both would let libc's allocations, which depend on the host's environment, move Rust's addresses.
//! C's `free` tells no size; the heap finds it by the block's address.

use core::alloc::Layout;
use core::ptr;

use super::{Global, Part};
use crate::exclusive::Exclusive;
use crate::heap::Heap;

static C_HEAP: Exclusive<Heap> = Exclusive::new(Heap::new());

/// What C expects of `malloc`.
const ALIGN: usize = 16;

fn serve(global: &Global, size: usize, align: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(size, align.max(ALIGN)) else {
        return ptr::null_mut();
    };
    // SAFETY: the closure calls nothing but the heap.
    let block = unsafe { C_HEAP.with_leaf(|heap| heap.alloc(layout)) };
    if block.is_null() {
        return global.first_or_exhausted(&C_HEAP, Part::C, layout);
    }
    block
}

/// C's `malloc`.
pub fn malloc(global: &Global, size: usize) -> *mut u8 {
    serve(global, size, ALIGN)
}

/// C's `calloc`.
pub fn calloc(global: &Global, count: usize, size: usize) -> *mut u8 {
    let Some(bytes) = count.checked_mul(size) else {
        return ptr::null_mut();
    };
    let block = malloc(global, bytes);
    if !block.is_null() {
        // SAFETY: the block has `bytes` bytes.
        unsafe { block.write_bytes(0, bytes) };
    }
    block
}

/// C's `aligned_alloc`; `None` when the alignment is not a power of two.
pub fn aligned_alloc(global: &Global, align: usize, size: usize) -> Option<*mut u8> {
    align.is_power_of_two().then(|| serve(global, size, align))
}

/// C's `free`.
///
/// # Safety
/// `block` is null, or came from this family and was not freed.
pub unsafe fn free(block: *mut u8) {
    if block.is_null() {
        return;
    }
    // SAFETY: the block is a live one of this heap; the closure calls nothing else.
    unsafe {
        C_HEAP.with_leaf(|heap| {
            let layout = heap.layout_of(block);
            heap.dealloc(block, layout);
        });
    }
}

/// C's `realloc`.
///
/// # Safety
/// As for [`free`].
pub unsafe fn realloc(global: &Global, block: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's duty; both blocks hold the bytes copied.
    unsafe {
        let held = malloc_usable_size(block);
        // In place, unless half of the block or more would lie idle.
        if size <= held && held / 2 < size {
            return block;
        }
        let moved = malloc(global, size);
        if !moved.is_null() && !block.is_null() {
            ptr::copy_nonoverlapping(block, moved, held.min(size));
            free(block);
        }
        moved
    }
}

/// C's `malloc_usable_size`.
///
/// # Safety
/// As for [`free`].
pub unsafe fn malloc_usable_size(block: *mut u8) -> usize {
    if block.is_null() {
        return 0;
    }
    // SAFETY: the block is a live one of this heap; the closure calls nothing else.
    unsafe { C_HEAP.with_leaf(|heap| heap.layout_of(block).size()) }
}

/// `ENOMEM` and `EINVAL` as wasi-libc numbers them.
#[doc(hidden)]
pub const ENOMEM: i32 = 48;
#[doc(hidden)]
pub const EINVAL: i32 = 28;

/// Defines C's allocation family in the module; wasi-libc's own then stays out of it.
#[cfg(target_os = "wasi")]
#[doc(hidden)]
#[macro_export]
macro_rules! __c_family {
    ($global:ident) => {
        const _: () = {
            use $crate::__c as family;

            unsafe extern "C" {
                #[link_name = "errno"]
                static mut __ERRNO: i32;
            }

            fn or_errno(block: *mut u8) -> *mut u8 {
                if block.is_null() {
                    // SAFETY: libc's `errno` is a plain variable in a module of one thread.
                    unsafe { __ERRNO = family::ENOMEM };
                }
                block
            }

            #[unsafe(no_mangle)]
            extern "C" fn malloc(size: usize) -> *mut u8 {
                or_errno(family::malloc(&$global, size))
            }
            #[unsafe(no_mangle)]
            extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
                or_errno(family::calloc(&$global, count, size))
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn realloc(block: *mut u8, size: usize) -> *mut u8 {
                // SAFETY: C's contract is the same.
                or_errno(unsafe { family::realloc(&$global, block, size) })
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn free(block: *mut u8) {
                // SAFETY: C's contract is the same.
                unsafe { family::free(block) }
            }
            #[unsafe(no_mangle)]
            extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut u8 {
                or_errno(
                    family::aligned_alloc(&$global, align, size).unwrap_or(::core::ptr::null_mut()),
                )
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn posix_memalign(
                out: *mut *mut u8,
                align: usize,
                size: usize,
            ) -> i32 {
                match family::aligned_alloc(&$global, align, size) {
                    None => family::EINVAL,
                    Some(block) if block.is_null() => family::ENOMEM,
                    Some(block) => {
                        // SAFETY: C's contract: `out` is valid for a write.
                        unsafe { *out = block };
                        0
                    }
                }
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn malloc_usable_size(block: *mut u8) -> usize {
                // SAFETY: C's contract is the same.
                unsafe { family::malloc_usable_size(block) }
            }
            #[unsafe(no_mangle)]
            extern "C" fn sbrk(_increment: isize) -> *mut u8 {
                or_errno(::core::ptr::null_mut());
                // What C's sbrk answers on failure: -1.
                ::core::ptr::without_provenance_mut(usize::MAX)
            }
        };
    };
}

/// There is no C library that allocates on the other targets.
#[cfg(not(target_os = "wasi"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __c_family {
    ($global:ident) => {};
}
