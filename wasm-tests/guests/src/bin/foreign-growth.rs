//! Code in the module grows memory by itself, while the cache fills and afterwards.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::{Bytes, Plan, Policy};
use wasm_test_guests::{Digest, report};

steadfast::plan!(
    Plan::DEFAULT
        .with_region_max(Bytes::mib(8))
        .with_policy(Policy::OnDemand {
            step: Bytes::kib(256)
        })
);

/// Grows by a page and fills it; answers its address.
#[cfg(target_family = "wasm")]
fn grow() -> *mut u8 {
    let page = core::arch::wasm32::memory_grow::<0>(1);
    assert!(page != usize::MAX);
    let start = std::ptr::with_exposed_provenance_mut::<u8>(page << 16);
    // SAFETY: the page was grown for this.
    unsafe { start.write_bytes(0x5a, 1 << 16) };
    start
}

#[cfg(not(target_family = "wasm"))]
fn grow() -> *mut u8 {
    Box::leak(vec![0x5a_u8; 1 << 16].into_boxed_slice()).as_mut_ptr()
}

fn run() {
    let mut pages = Vec::new();
    let mut cache = steadfast::open_cache().expect("opened once");
    let mut addresses = Digest::default();
    for n in 0..20_000_u32 {
        let value = vec![n as u8; 200];
        addresses.add_address(&value[..]);
        cache
            .insert(&n.to_le_bytes(), &value)
            .expect("there is a region");
        if n == 3000 {
            // Right behind the region as it is now: it cannot go on.
            pages.push(grow());
            report(1, cache.capacity() as u64);
        }
    }
    pages.push(grow());
    cache.validate().expect("the cache is sound");
    for page in pages {
        // SAFETY: the page is this program's own.
        let untouched = (0..1 << 16).all(|at| unsafe { *page.add(at) } == 0x5a);
        assert!(untouched, "nobody else wrote there");
    }
    report(0, addresses.value());
    report(2, cache.capacity() as u64);
    report(3, cache.len() as u64);
}

wasm_test_guests::entry!(run);
