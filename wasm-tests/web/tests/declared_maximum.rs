//! An engine that has no limiter of its own still refuses what a module's declared maximum rules
//! out.
#![cfg(all(target_family = "wasm", target_os = "unknown"))]

use wasm_bindgen_test::wasm_bindgen_test as test;

use core::arch::wasm32::{memory_grow, memory_size};
use steadfast::instance_info;
use steadfast::units::PAGE_BYTES;
use steadfast::{Bytes, Plan, RegionOutcome};
use web_tests::MAXIMUM_BYTES;

const PLAN: Plan = Plan::DEFAULT
    .with_region_base(Bytes::mib(32))
    .with_region_max(Bytes::mib(64));

steadfast::plan!(PLAN);

/// The whole MiB that the maximum leaves above the region's base.
const REGION_BYTES: u64 = (MAXIMUM_BYTES - PLAN.region_base().get()) & !0xf_ffff;

fn memory_bytes() -> u64 {
    memory_size::<0>() as u64 * PAGE_BYTES
}

/// Where the heap puts a block of 4 KiB now.
fn next_address() -> usize {
    let block = vec![1_u8; 4096];
    block.as_ptr().addr()
}

#[test]
fn the_probe_takes_what_the_maximum_leaves() {
    let grant = steadfast::reserve();
    assert_eq!(u64::from(grant.region.start), PLAN.region_base().get());
    assert_eq!(u64::from(grant.region.len), REGION_BYTES);
    assert_eq!(grant.outcome, RegionOutcome::Partial);
    assert!((1..grant.grows_asked).contains(&grant.grows_refused));
    assert!(grant.grows_asked <= 14);
}

#[test]
fn the_cache_fills_the_region_and_evicts() {
    let mut cache = steadfast::open_cache().expect("nobody else opened it");
    assert_eq!(cache.capacity() as u64, REGION_BYTES);
    let region = PLAN.region_base().get()..PLAN.region_base().get() + REGION_BYTES;
    let entries = 3000_u32;
    let value = |n: u32| vec![n as u8; 16 << 10];
    for n in 0..entries {
        cache.insert(&n.to_le_bytes(), &value(n)).expect("it fits");
    }
    assert!(cache.len() < entries as usize, "not all can be held");
    let newest = cache
        .get(&(entries - 1).to_le_bytes())
        .expect("just inserted");
    assert_eq!(newest, value(entries - 1));
    assert!(region.contains(&(newest.as_ptr().addr() as u64)));
    cache.validate().expect("the cache is sound");
}

#[test]
fn nothing_is_grown_later_and_addresses_stay() {
    let first = next_address();
    let before = memory_bytes();
    assert_eq!(before, PLAN.region_base().get() + REGION_BYTES);
    // Half a MiB is left below the maximum: somebody else may have it, and past that all is
    // refused.
    let left = ((MAXIMUM_BYTES - before) / PAGE_BYTES) as usize;
    assert_eq!(memory_grow::<0>(left + 1), usize::MAX);
    assert_ne!(memory_grow::<0>(left), usize::MAX);
    assert_eq!(memory_grow::<0>(1), usize::MAX);
    assert_eq!(next_address(), first);
    assert!(first < instance_info::current().region_start as usize);
}
