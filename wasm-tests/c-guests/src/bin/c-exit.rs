//! C that cleans up at exit, and C++ statics with destructors.
#![cfg_attr(target_os = "wasi", no_main)]

#[cfg(target_os = "wasi")]
mod module {
    use wasm_test_guests::{Digest, guest_results, report};

    steadfast::plan!();

    unsafe extern "C" {
        fn clean_up_at_exit(calls: i32) -> i32;
        fn hold_words(count: u32) -> u32;
    }

    #[unsafe(no_mangle)]
    extern "C" fn note_exit() {
        guest_results.with(|results| results[0] += 1);
    }

    pub fn run() {
        let mut addresses = Digest::default();
        let mut held = Vec::new();
        // SAFETY: the functions ask for nothing.
        unsafe {
            report(1, clean_up_at_exit(100) as u64);
            for size in [1, 100, 5000, 200_000] {
                let block = vec![size as u8; size];
                addresses.add_address(&block[..]);
                held.push(block);
                report(2, hold_words(1000).into());
            }
        }
        report(3, addresses.value());
    }
}

#[cfg(target_os = "wasi")]
wasm_test_guests::entry!(module::run);

#[cfg(not(target_os = "wasi"))]
fn main() {}
