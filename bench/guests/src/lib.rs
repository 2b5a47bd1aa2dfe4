//! The four exports through which the size of an allocator is measured.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};

fn layout(size: usize, align: usize) -> Option<Layout> {
    Layout::from_size_align(size, align).ok()
}

/// Allocates.
#[unsafe(no_mangle)]
pub extern "C" fn guest_alloc(size: usize, align: usize) -> *mut u8 {
    match layout(size, align) {
        // SAFETY: the host asks for one byte or more.
        Some(layout) => unsafe { alloc(layout) },
        None => std::ptr::null_mut(),
    }
}

/// Allocates zeroed memory.
#[unsafe(no_mangle)]
pub extern "C" fn guest_alloc_zeroed(size: usize, align: usize) -> *mut u8 {
    match layout(size, align) {
        // SAFETY: the host asks for one byte or more.
        Some(layout) => unsafe { alloc_zeroed(layout) },
        None => std::ptr::null_mut(),
    }
}

/// Frees.
///
/// # Safety
/// The block came from here with this size and alignment.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn guest_dealloc(block: *mut u8, size: usize, align: usize) {
    if let Some(layout) = layout(size, align) {
        // SAFETY: the caller's duty.
        unsafe { dealloc(block, layout) };
    }
}

/// Changes a block's size.
///
/// # Safety
/// The block came from here with this size and alignment; `new_size` is one byte or more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn guest_realloc(
    block: *mut u8,
    size: usize,
    align: usize,
    new_size: usize,
) -> *mut u8 {
    match layout(size, align) {
        // SAFETY: the caller's duty.
        Some(layout) => unsafe { realloc(block, layout, new_size) },
        None => std::ptr::null_mut(),
    }
}
