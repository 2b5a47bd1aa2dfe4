//! A module for a target that has no standard library: allocates, and uses the cache. Empty on any
//! other target.
#![cfg_attr(target_os = "none", no_std)]

#[cfg(target_os = "none")]
extern crate alloc;

#[cfg(target_os = "none")]
mod module {
    use alloc::vec::Vec;
    use core::panic::PanicInfo;

    use steadfast::exclusive::Exclusive;

    steadfast::plan!();

    /// As in the other test guests.
    #[allow(non_upper_case_globals, reason = "the name is the module's export")]
    #[unsafe(no_mangle)]
    static guest_results: Exclusive<[u64; 32]> = Exclusive::new([0; 32]);

    #[unsafe(no_mangle)]
    extern "C" fn _start() {
        let numbers: Vec<u64> = (0..100_000).collect();
        let mut cache = steadfast::open_cache().expect("the cache is opened once");
        let kept = cache.insert(b"sum", &numbers.iter().sum::<u64>().to_le_bytes());
        let sum = cache.get(b"sum").and_then(|sum| sum.try_into().ok());
        guest_results.with(|results| {
            results[0] = kept.is_ok().into();
            results[1] = sum.map_or(0, u64::from_le_bytes);
            results[2] = numbers.as_ptr().addr() as u64;
        });
    }

    #[panic_handler]
    fn stop(_: &PanicInfo<'_>) -> ! {
        core::arch::wasm32::unreachable()
    }
}
