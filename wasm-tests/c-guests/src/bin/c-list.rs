//! A C library in an indexer, on either target. The host says how much C allocates: with the first
//! number reported.
#![cfg_attr(target_family = "wasm", no_main)]

#[cfg(target_family = "wasm")]
mod module {
    use wasm_test_guests::{Digest, guest_results, report};

    steadfast::plan!();

    unsafe extern "C" {
        fn list_sum(count: u32) -> u32;
        fn family_is_whole() -> i32;
        fn keep(size: usize) -> usize;
    }

    pub fn run() {
        let kept = guest_results.with(|results| results[0]);
        let mut addresses = Digest::default();
        let mut held = Vec::new();
        // SAFETY: the functions ask for nothing; what is kept is never freed.
        unsafe {
            for n in 0..kept {
                keep(n as usize);
            }
            for size in [1, 100, 5000, 200_000] {
                let block = vec![size as u8; size];
                addresses.add_address(&block[..]);
                held.push(block);
                report(1, list_sum(1000).into());
            }
            report(2, family_is_whole() as u64);
            let info = steadfast::instance_info::current();
            let part = info.c_heap_start as usize..(info.c_heap_start + info.c_heap_len) as usize;
            report(3, part.contains(&keep(100)).into());
            report(4, list_sum(10_000_000).into());
        }
        report(5, addresses.value());
    }
}

#[cfg(target_family = "wasm")]
wasm_test_guests::entry!(module::run);

#[cfg(not(target_family = "wasm"))]
fn main() {}
