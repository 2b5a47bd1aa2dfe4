//! Uses what libc allocates by names of its own, and as much of C's heap as the environment says;
//! reports where Rust's memory stands.
#![cfg_attr(target_os = "wasi", no_main)]

steadfast::plan!();

#[cfg(target_os = "wasi")]
mod wasi {
    use core::ffi::{c_char, c_int, c_void};
    use core::ptr::null_mut;

    use wasm_test_guests::{Digest, guest_results, report};

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut u8;
        fn __libc_calloc(count: usize, size: usize) -> *mut u8;
        fn __libc_free(block: *mut u8);
        fn atexit(call: extern "C" fn()) -> c_int;
        fn __cxa_atexit(call: extern "C" fn(*mut u8), with: *mut u8, of: *mut u8) -> c_int;
        fn newlocale(mask: c_int, name: *const c_char, base: *mut c_void) -> *mut c_void;
        fn duplocale(locale: *mut c_void) -> *mut c_void;
        fn freelocale(locale: *mut c_void);
        fn setlocale(category: c_int, name: *const c_char) -> *mut c_char;
        fn getenv(name: *const c_char) -> *const c_char;
        fn atoi(text: *const c_char) -> c_int;
    }

    const LC_ALL: c_int = 6;
    const LC_CTYPE_MASK: c_int = 1;

    /// As many calls at the end as libc has no room for without allocating.
    const FAREWELLS: usize = 100;

    extern "C" fn say_farewell() {
        guest_results.with(|results| results[2] += 1);
    }

    extern "C" fn say_farewell_with(_with: *mut u8) {
        say_farewell();
    }

    pub fn run() {
        // SAFETY: libc is called as its documentation says.
        let served = unsafe {
            let wanted = getenv(c"C_BLOCKS".as_ptr());
            let wanted = if wanted.is_null() { 0 } else { atoi(wanted) };
            let mut served = 0;
            for n in 0..wanted {
                let block = if n % 2 == 0 {
                    __libc_malloc(1000)
                } else {
                    __libc_calloc(10, 100)
                };
                served += u64::from(!block.is_null());
                if n % 3 == 0 {
                    __libc_free(block);
                }
            }
            served
        };
        // SAFETY: as above.
        unsafe {
            for _ in 0..FAREWELLS / 2 {
                assert_eq!(atexit(say_farewell), 0);
                assert_eq!(__cxa_atexit(say_farewell_with, null_mut(), null_mut()), 0);
            }
            let locale = newlocale(LC_CTYPE_MASK, c"somewhere".as_ptr(), null_mut());
            assert!(!locale.is_null());
            freelocale(duplocale(locale));
            freelocale(locale);
            assert!(!setlocale(LC_ALL, c"elsewhere".as_ptr()).is_null());
        }
        let mut addresses = Digest::default();
        let mut held = Vec::new();
        for size in [1, 100, 5000, 200_000] {
            let block = vec![size as u8; size];
            addresses.add_address(&block[..]);
            held.push(block);
        }
        report(0, addresses.value());
        report(1, served);
    }
}

#[cfg(target_os = "wasi")]
wasm_test_guests::entry!(wasi::run);

#[cfg(not(target_os = "wasi"))]
fn main() {}
