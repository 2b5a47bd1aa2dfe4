//! A module whose allocator and cache are steadfast's, from the inside: under wasmtime, and in
//! Node.
#![cfg(target_family = "wasm")]

#[cfg(target_os = "unknown")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::instance_info::{self, Reservation};
use steadfast::{Bytes, Plan};

const PLAN: Plan = Plan::DEFAULT
    .with_region_base(Bytes::mib(32))
    .with_region_max(Bytes::mib(16));

steadfast::plan!(PLAN);

/// Static, shadow stack and heap lie below the region.
fn is_in_heap<T: ?Sized>(of: &T) -> bool {
    let info = instance_info::current();
    let address = (&raw const *of).cast::<u8>().addr() as u32;
    (info.heap_start..info.heap_start + info.heap_len).contains(&address)
}

#[test]
fn what_rust_allocates_stands_in_the_heap() {
    assert!(is_in_heap(&*Box::new(1_u8)));
    assert!(is_in_heap(&vec![0_u8; 1 << 20][..]));
    assert!(is_in_heap(&*String::from("text")));
    assert_eq!(instance_info::current().state, Reservation::Reserved as u32);
}

#[test]
fn the_plan_of_the_module_is_the_one_that_counts() {
    let grant = steadfast::reserve();
    assert_eq!(u64::from(grant.region.start), PLAN.region_base().get());
    assert!(u64::from(grant.region.len) <= PLAN.region_max().get());
    assert_eq!(Some(grant), steadfast::granted());
    let c_part = if cfg!(any(target_os = "wasi", feature = "c")) {
        PLAN.c_heap().get()
    } else {
        0
    };
    assert_eq!(u64::from(grant.c_heap.len), c_part);
}

#[test]
fn a_request_beyond_the_budget_is_null_and_recorded() {
    let before = instance_info::current().exhausted_count;
    let mut vec: Vec<u8> = Vec::new();
    assert!(vec.try_reserve_exact(100 << 20).is_err());
    let after = instance_info::current();
    assert_eq!(after.exhausted_count, before + 1);
    assert_eq!(after.exhausted_budget, after.heap_len);
    assert!(vec.try_reserve_exact(1 << 20).is_ok(), "less still fits");
}

#[test]
fn the_cache_is_opened_once_and_keeps_what_it_is_given() {
    let mut cache = steadfast::open_cache().expect("nobody else opened it");
    assert!(steadfast::open_cache().is_err());
    for n in 0..1000_u32 {
        cache
            .insert(&n.to_le_bytes(), &[n as u8; 100])
            .expect("it fits");
    }
    for n in 0..1000_u32 {
        let value = cache.get(&n.to_le_bytes()).expect("it was kept");
        assert_eq!(value, [n as u8; 100]);
        assert!(!is_in_heap(value), "the value stands in the region");
    }
    cache.validate().expect("the cache is sound");
}
