//! Calls C's allocation family as a C library in the module would.
#![cfg_attr(target_os = "wasi", no_main)]

steadfast::plan!();

#[cfg(target_os = "wasi")]
mod wasi {
    use core::ffi::c_void;
    use core::hint::black_box;

    use wasm_test_guests::{Numbers, report};

    /// As wasi-libc numbers it.
    const EINVAL: i32 = 28;

    unsafe extern "C" {
        fn malloc(size: usize) -> *mut u8;
        fn calloc(count: usize, size: usize) -> *mut u8;
        fn realloc(block: *mut u8, size: usize) -> *mut u8;
        fn free(block: *mut u8);
        fn aligned_alloc(align: usize, size: usize) -> *mut u8;
        fn posix_memalign(out: *mut *mut u8, align: usize, size: usize) -> i32;
        fn malloc_usable_size(block: *mut u8) -> usize;
        fn sbrk(increment: isize) -> *mut c_void;
        fn strdup(text: *const u8) -> *mut u8;
    }

    pub fn run() {
        let mut numbers = Numbers(3);
        steadfast::reserve();
        let info = steadfast::instance_info::current();
        let part = info.c_heap_start as usize..(info.c_heap_start + info.c_heap_len) as usize;
        // SAFETY: every block is used within its size and freed once.
        unsafe {
            for _ in 0..2000 {
                let size = numbers.below(3000) as usize;
                let block = malloc(size);
                assert!(part.contains(&block.addr()) && block.addr().is_multiple_of(16));
                assert!(malloc_usable_size(block) >= size);
                block.write_bytes(0xa5, size);
                let block = realloc(block, size * 2 + 1);
                assert!((0..size).all(|at| *block.add(at) == 0xa5));
                let zeroed = calloc(size + 1, 3);
                assert!((0..3 * (size + 1)).all(|at| *zeroed.add(at) == 0));
                free(block);
                zeroed.write_bytes(0xff, 3 * (size + 1));
                free(zeroed);
            }
            for shift in 0..14 {
                let block = aligned_alloc(1 << shift, 100);
                assert!(block.addr().is_multiple_of(1 << shift) && part.contains(&block.addr()));
                free(block);
                // A pointer's size at least, by the standard.
                let mut second = core::ptr::null_mut();
                let answer = posix_memalign(&mut second, 1 << shift, 100);
                assert_eq!(answer, if shift < 2 { EINVAL } else { 0 });
                assert_eq!(second.is_null(), shift < 2);
                assert_eq!(second.addr() % (1 << shift), 0);
                free(second);
            }
            let copy = strdup(c"a text".as_ptr().cast());
            assert_eq!(*copy, b'a');
            free(copy);
            free(core::ptr::null_mut());
            assert!(realloc(core::ptr::null_mut(), 5).addr() > 0);
            // The compiler knows `malloc`, and would leave out a call that it sees through.
            assert!(black_box(malloc(1 << 30)).is_null());
            assert_eq!(std::io::Error::last_os_error().raw_os_error(), Some(48));
            assert!(black_box(calloc(usize::MAX, 2)).is_null());
            assert!(black_box(aligned_alloc(3, 100)).is_null());
            assert_eq!(sbrk(65536).addr(), usize::MAX);
        }
        report(0, 1);
    }
}

#[cfg(target_os = "wasi")]
wasm_test_guests::entry!(wasi::run);

#[cfg(not(target_os = "wasi"))]
fn main() {}
