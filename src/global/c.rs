//! C's allocation family, over its own fixed part of the budget: on WASI, and elsewhere with the
//! feature `c`.
//!
//! One heap for both would let what C allocates, which depends on the host's environment, move
//! Rust's addresses. C's `free` tells no size; the heap finds it by the block's address.
//!
//! The functions here are called by those that [`plan!`](crate::plan!) defines under C's names, and
//! by nobody else. Safe code cannot call them:
//!
//! ```compile_fail
//! fn second_malloc(global: &steadfast::Global) -> *mut u8 {
//!     steadfast::__c::malloc(global, 1)
//! }
//! ```

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr;

use super::{Global, Part};
use crate::exclusive::Exclusive;
use crate::heap::Heap;
use crate::memory::platform;
use crate::reserve::in_silence;

static C_HEAP: Exclusive<Heap> = Exclusive::new(Heap::new());

/// What C expects of `malloc`.
const ALIGN: usize = 16;

/// `ENOMEM` and `EINVAL` as wasi-libc numbers them.
const ENOMEM: i32 = 48;
const EINVAL: i32 = 28;

/// A block, or null, also where the alignment is not a power of two.
fn serve(global: &Global, size: usize, align: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(size, align).and_then(|it| it.align_to(ALIGN)) else {
        return ptr::null_mut();
    };
    // SAFETY: the closure calls nothing but the heap.
    let block = unsafe { C_HEAP.with_leaf(|heap| heap.alloc(layout)) };
    if block.is_null() {
        return global.serve_slowly(&C_HEAP, Part::C, layout);
    }
    block
}

/// The block, once a null pointer is told in `errno`, where there is a C library that has it.
fn or_errno(block: *mut u8) -> *mut u8 {
    #[cfg(target_os = "wasi")]
    if block.is_null() {
        unsafe extern "C" {
            #[link_name = "errno"]
            static mut ERRNO: i32;
        }
        // SAFETY: libc's `errno` is a plain variable in a module of one thread.
        unsafe { ERRNO = ENOMEM };
    }
    block
}

/// C's `malloc`.
///
/// # Safety
/// The caller is the family that [`plan!`](crate::plan!) defines.
pub unsafe fn malloc(global: &Global, size: usize) -> *mut u8 {
    or_errno(serve(global, size, ALIGN))
}

/// C's `calloc`.
///
/// # Safety
/// As for [`malloc`].
pub unsafe fn calloc(global: &Global, count: usize, size: usize) -> *mut u8 {
    let Some(bytes) = count.checked_mul(size) else {
        return or_errno(ptr::null_mut());
    };
    let block = or_errno(serve(global, bytes, ALIGN));
    if !block.is_null() {
        // SAFETY: the block has `bytes` bytes.
        unsafe { block.write_bytes(0, bytes) };
    }
    block
}

/// C's `aligned_alloc`.
///
/// # Safety
/// As for [`malloc`].
pub unsafe fn aligned_alloc(global: &Global, align: usize, size: usize) -> *mut u8 {
    or_errno(serve(global, size, align))
}

/// C's `posix_memalign`.
///
/// # Safety
/// As for [`malloc`], and `out` is valid for a write.
pub unsafe fn posix_memalign(global: &Global, out: *mut *mut u8, align: usize, size: usize) -> i32 {
    if !align.is_power_of_two() || align < size_of::<*mut u8>() {
        return EINVAL;
    }
    let block = serve(global, size, align);
    if block.is_null() {
        return ENOMEM;
    }
    // SAFETY: the caller's duty.
    unsafe { *out = block };
    0
}

/// C's `free`.
///
/// # Safety
/// As for [`malloc`], and `block` is null, or came from this family and was not freed.
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

/// C's `sbrk`, which refuses: memory is the plan's.
pub fn refuse_sbrk() -> *mut u8 {
    or_errno(ptr::null_mut());
    // What C's sbrk answers on failure: -1.
    ptr::without_provenance_mut(usize::MAX)
}

/// What the canonical ABI of components calls `realloc`: the host places strings and lists with it,
/// and the adapter for WASI preview 1 its own state and stack. Never answers null.
///
/// # Safety
/// As for [`free`]; `old` has `old_size` bytes, and is no block where that is 0.
pub unsafe fn cabi_realloc(
    global: &Global,
    old: *mut u8,
    old_size: usize,
    align: usize,
    new_size: usize,
) -> *mut u8 {
    let block = if new_size == 0 {
        ptr::without_provenance_mut(align)
    } else {
        in_silence(|| serve(global, new_size, align))
    };
    if block.is_null() {
        the_c_part_has_no_room_for_a_component();
    }
    if old_size > 0 {
        // SAFETY: the caller's duty; both blocks hold the bytes copied.
        unsafe {
            ptr::copy_nonoverlapping(old, block, old_size.min(new_size));
            free(old);
        }
    }
    block
}

/// Its name tells the reason in the backtrace of any host.
#[cold]
#[inline(never)]
fn the_c_part_has_no_room_for_a_component() -> ! {
    black_box(ENOMEM);
    platform::abort()
}

/// Defines C's allocation family in the module.
///
/// On WASI these are all that libc's own allocator defines: were one missing, its object would be
/// linked, and the others would be there twice.
#[cfg(any(target_os = "wasi", all(target_family = "wasm", feature = "c")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __c_family {
    ($global:ident) => {
        // SAFETY, of every block here: C's contract is the family's, and this is the family that
        // `plan!` defines.
        const _: () = {
            use $crate::__c as family;

            #[unsafe(no_mangle)]
            extern "C" fn malloc(size: usize) -> *mut u8 {
                unsafe { family::malloc(&$global, size) }
            }
            #[unsafe(no_mangle)]
            extern "C" fn calloc(count: usize, size: usize) -> *mut u8 {
                unsafe { family::calloc(&$global, count, size) }
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn realloc(block: *mut u8, size: usize) -> *mut u8 {
                unsafe { family::realloc(&$global, block, size) }
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn free(block: *mut u8) {
                unsafe { family::free(block) }
            }
            #[unsafe(no_mangle)]
            extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut u8 {
                unsafe { family::aligned_alloc(&$global, align, size) }
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn posix_memalign(
                out: *mut *mut u8,
                align: usize,
                size: usize,
            ) -> i32 {
                unsafe { family::posix_memalign(&$global, out, align, size) }
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn malloc_usable_size(block: *mut u8) -> usize {
                unsafe { family::malloc_usable_size(block) }
            }
        };
        $crate::__libc_family!($global);
    };
}

/// What wasi-libc itself calls, and what components look for.
#[cfg(target_os = "wasi")]
#[doc(hidden)]
#[macro_export]
macro_rules! __libc_family {
    ($global:ident) => {
        // SAFETY, of every block here: as in `__c_family`.
        const _: () = {
            use $crate::__c as family;

            #[unsafe(no_mangle)]
            extern "C" fn __libc_malloc(size: usize) -> *mut u8 {
                unsafe { family::malloc(&$global, size) }
            }
            #[unsafe(no_mangle)]
            extern "C" fn __libc_calloc(count: usize, size: usize) -> *mut u8 {
                unsafe { family::calloc(&$global, count, size) }
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn __libc_free(block: *mut u8) {
                unsafe { family::free(block) }
            }
            #[unsafe(no_mangle)]
            extern "C" fn sbrk(_increment: isize) -> *mut u8 {
                family::refuse_sbrk()
            }
            #[unsafe(no_mangle)]
            unsafe extern "C" fn cabi_realloc(
                old: *mut u8,
                old_size: usize,
                align: usize,
                new_size: usize,
            ) -> *mut u8 {
                unsafe { family::cabi_realloc(&$global, old, old_size, align, new_size) }
            }
        };
    };
}

/// There is no C library.
#[cfg(not(target_os = "wasi"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __libc_family {
    ($global:ident) => {};
}

/// Nothing in the module asks for C's allocation family.
#[cfg(not(any(target_os = "wasi", all(target_family = "wasm", feature = "c"))))]
#[doc(hidden)]
#[macro_export]
macro_rules! __c_family {
    ($global:ident) => {};
}
