//! Memory is reserved once in an instance, which natively is a thread, and a region on demand grows
//! by what the cache needs.
#![cfg(not(target_family = "wasm"))]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::catch_unwind;
use std::sync::Mutex;

use steadfast::instance_info::{self, Reservation};
use steadfast::probe::ReserveError;
use steadfast::{Bytes, Plan, Policy, RegionOutcome};

const STEP: u32 = 1 << 20;
const MAX: u32 = 4 << 20;

const PLAN: Plan = Plan::DEFAULT
    .with_region_base(Bytes::mib(8))
    .with_region_max(Bytes::new(MAX as u64))
    .with_policy(Policy::OnDemand {
        step: Bytes::new(STEP as u64),
    })
    .checked();

/// More below the region than the stand-in for linear memory has.
const TOO_LARGE: Plan = PLAN.with_region_base(Bytes::mib(1600)).checked();

/// A program's own allocator. It counts what [`steadfast::reserve`] asks it for, so that it takes
/// its memory first.
struct Counting;

const FIRST_REQUEST: usize = 4096;

thread_local! {
    static ASKED: Cell<u32> = const { Cell::new(0) };
}

// SAFETY: the system's allocator does all of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.size() == FIRST_REQUEST {
            ASKED.set(ASKED.get() + 1);
        }
        // SAFETY: the caller's duty.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's duty.
        unsafe { System.dealloc(block, layout) };
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_other_allocator_takes_its_memory_first() {
    assert_eq!(ASKED.get(), 0);
    steadfast::reserve_with(&PLAN);
    assert_eq!(ASKED.get(), 1);
    steadfast::reserve();
    assert_eq!(ASKED.get(), 1);
}

static TOLD: Mutex<Option<ReserveError>> = Mutex::new(None);

#[test]
fn a_refusal_is_told_once_and_stays() {
    let refusal = ReserveError::Budget {
        have: 1,
        need: 25_600,
    };
    steadfast::on_refusal(|refusal| *TOLD.lock().unwrap() = Some(*refusal));
    assert!(catch_unwind(|| steadfast::reserve_with(&TOO_LARGE)).is_err());
    assert_eq!(*TOLD.lock().unwrap(), Some(refusal));
    assert_eq!(
        instance_info::current().state,
        Reservation::BudgetRefused as u32
    );
    assert_eq!(steadfast::granted(), None);

    // What the sink or anybody else asks for later does not begin anew.
    assert!(catch_unwind(|| steadfast::reserve_with(&PLAN)).is_err());
    assert_eq!(
        instance_info::current().state,
        Reservation::BudgetRefused as u32
    );
}

#[test]
fn what_is_reserved_stays_and_the_region_grows_on_demand() {
    // Nothing is reserved for a module that keeps another allocator until it asks.
    assert_eq!(steadfast::reserve_heap(), None);
    assert_eq!(steadfast::granted(), None);

    let grant = steadfast::reserve_with(&PLAN);
    assert_eq!(
        (grant.heap.start, grant.heap.len),
        (65536, (8 << 20) - 65536)
    );
    assert_eq!((grant.region.start, grant.region.len), (8 << 20, 0));
    assert_eq!(
        (grant.region_limit, grant.outcome),
        (MAX, RegionOutcome::OnDemand)
    );
    for again in [
        steadfast::reserve_with(&Plan::DEFAULT),
        steadfast::reserve(),
        steadfast::reserve_heap().expect("it is reserved"),
        steadfast::granted().expect("it is reserved"),
    ] {
        assert_eq!(again, grant);
    }

    let mut cache = steadfast::open_cache().expect("nobody else opened it");
    let mut granted = Vec::new();
    for number in 0..20_000_u32 {
        let inserted = cache.insert(&number.to_le_bytes(), &[7; 300]);
        inserted.expect("it fits");
        let info = instance_info::current();
        assert_eq!(info.region_len, info.region_granted);
        assert_eq!(cache.capacity(), info.region_granted as usize);
        assert_eq!(
            info.grows_asked,
            grant.grows_asked + info.region_granted / STEP,
            "one question for each step"
        );
        assert_eq!(info.grows_refused, 0);
        if granted.last() != Some(&info.region_granted) {
            granted.push(info.region_granted);
        }
    }
    assert_eq!(granted, [STEP, 2 * STEP, 3 * STEP, MAX]);
    assert!(cache.stats().evictions > 0);
    cache.validate().expect("the cache is sound");
}

/// What a loader has written counts only if it says how long it is.
#[test]
fn an_image_that_its_loader_declines_is_not_used() {
    let image = std::thread::spawn(|| {
        let mut cache = steadfast::open_cache().expect("this thread's own");
        cache.insert(b"key", b"old").expect("it fits");
        cache.image().to_vec()
    });
    let image = image.join().unwrap();
    for (answer, expected) in [
        (image.len() as u32, Some(&b"old"[..])),
        (0, None),
        (u32::MAX, None),
    ] {
        let image = image.clone();
        let next = std::thread::spawn(move || {
            let load = |memory: &mut [u8]| {
                memory[..image.len()].copy_from_slice(&image);
                answer
            };
            let mut cache = steadfast::cache::open_cache_with(load).expect("this thread's own");
            assert_eq!(cache.start().is_warm(), expected.is_some(), "{answer}");
            assert_eq!(cache.get(b"key"), expected, "{answer}");
            cache.validate().unwrap();
            cache.insert(b"key", b"new").expect("it fits");
            cache.validate().unwrap();
        });
        next.join().unwrap();
    }
}
