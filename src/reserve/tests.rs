//! What a native program does not come to: an allocator of ours, a voice, and somebody else who
//! grows memory.

extern crate std;

use core::cell::RefCell;
use std::panic::catch_unwind;
use std::string::{String, ToString};
use std::thread_local;
use std::vec::Vec;

use super::*;
use crate::memory::host::{HostMemory, Script};
use crate::plan::Policy;

thread_local! {
    static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static TOLD: RefCell<Vec<ReserveError>> = const { RefCell::new(Vec::new()) };
}

fn hear(line: &str) {
    SAID.with_borrow_mut(|said| said.push(line.to_string()));
}

const BASE: u32 = 8 << 20;
const MAX: u32 = 4 << 20;
const SMALL: Plan = Plan::DEFAULT
    .with_region_base(Bytes::new(BASE as u64))
    .with_region_max(Bytes::new(MAX as u64))
    .checked();
static PLAN: EncodedPlan = SMALL.encode();
static ON_DEMAND: EncodedPlan = on_demand(SMALL).encode();
/// The stand-in for linear memory ends 36 MiB above the region's base.
static TIGHT: EncodedPlan = on_demand(
    SMALL
        .with_region_base(Bytes::mib(1500))
        .with_region_max(Bytes::mib(100)),
)
.encode();
/// More below the region than there is.
static TOO_LARGE: EncodedPlan = SMALL.with_region_base(Bytes::mib(1600)).checked().encode();

const fn on_demand(plan: Plan) -> Plan {
    let step = Bytes::mib(1);
    plan.with_policy(Policy::OnDemand { step }).checked()
}

/// Grows memory as somebody else.
fn grow(pages: u32) {
    platform::Linear
        .grow(Pages(pages))
        .expect("the stand-in has more");
}

#[test]
fn the_region_that_was_left_comes_with_the_next_question() {
    REGION_LATER.set(true);
    let heap = by_allocator(&PLAN, hear);
    assert_eq!((heap.region.len, heap.outcome), (0, RegionOutcome::Off));
    assert_eq!(heap.grows_asked, 1);
    assert_eq!(reserve_heap(), Some(heap));
    let grant = reserve();
    assert_eq!(grant.heap, heap.heap);
    assert_eq!((grant.region.start, grant.region.len), (BASE, MAX));
    assert_eq!(grant.outcome, RegionOutcome::Full);
    assert_eq!(grant.grows_asked, 2);
    assert_eq!(reserve(), grant);
}

#[test]
fn a_refusal_is_said_in_one_line() {
    assert!(catch_unwind(|| by_allocator(&TOO_LARGE, hear)).is_err());
    let refusal = ReserveError::Budget {
        have: 1,
        need: 25_600,
    };
    assert_eq!(SAID.take(), [refusal.to_string()]);
    in_silence(|| say(format_args!("unheard")));
    assert!(SAID.take().is_empty());
    say(format_args!("heard"));
    assert_eq!(SAID.take(), ["heard"]);
}

#[test]
fn foreign_pages_are_told_once_whatever_the_sink_does() {
    VOICE.set(hear);
    on_refusal(|refusal| {
        TOLD.with_borrow_mut(|told| told.push(*refusal));
        let again = catch_unwind(|| stop(ReserveError::Occupied { at: 1 << 20 }));
        assert!(again.is_err());
    });
    let at = 0x1_0008;
    assert!(catch_unwind(|| stop(ReserveError::Occupied { at })).is_err());
    let refusal = ReserveError::Occupied { at };
    assert_eq!(TOLD.take(), [refusal]);
    assert_eq!(SAID.take(), [refusal.to_string()]);
    let info = instance_info::current();
    assert_eq!(info.state, Reservation::ForeignPages as u32);
    assert_eq!(info.refused_need, at);
}

#[test]
fn pages_that_existed_are_the_other_allocators() {
    grow(3);
    let grant = reserve_with(&SMALL);
    assert_eq!((grant.heap.start, grant.heap.len), (65_536, 0));
    assert_eq!((grant.region.start, grant.region.len), (BASE, MAX));
}

#[test]
fn a_region_that_is_cut_stays_cut() {
    by_allocator(&PLAN, hear);
    for cut in [1 << 20, 2 << 20] {
        cut_region(cut);
        let info = instance_info::current();
        assert_eq!((info.region_len, info.region_limit), (1 << 20, 1 << 20));
        assert_eq!(info.region_outcome, RegionOutcome::Occupied as u32);
        assert_eq!(info.region_granted, MAX);
    }
}

#[test]
fn undeclared_pages_lie_in_the_span_whatever_is_declared() {
    let pages = [1, 60, 128, 130, 150, 192, 400].map(Pages);
    for (declared, existing) in pages.iter().flat_map(|&at| pages.map(|more| (at, more))) {
        let mut memory = HostMemory::new(Script {
            initial: existing.max(declared),
            ceiling: Pages(500),
            refuse_nth: None,
            foreign: None,
        });
        let static_end = StaticEnd {
            contents: 70_000,
            initial_memory: declared.address(),
        };
        let grant = probe::obtain(&mut memory, &SMALL, static_end, Ownership::Whole, true);
        let grant = grant.expect("the host grants all");
        for span in [grant.heap, grant.c_heap, grant.region] {
            let found = grant.undeclared(span, static_end);
            let is_undeclared = |offset: u32| {
                let page = Pages((span.start + offset) >> 16);
                page >= declared && page < existing
            };
            let expected = (0..span.len)
                .step_by(65_536)
                .filter(|&at| is_undeclared(at));
            assert!(found.start <= found.end && found.end <= span.len);
            assert!(
                found.step_by(65_536).eq(expected),
                "{declared:?} {existing:?}"
            );
        }
    }
}

/// Extends the region by `bytes`, and answers what it got, and how often the host was asked and
/// refused.
fn extend(bytes: u32) -> (u32, u32, u32) {
    let before = instance_info::current();
    let got = extend_region(bytes);
    let after = instance_info::current();
    assert_eq!(after.region_granted, before.region_granted + got);
    assert_eq!(after.region_len, after.region_granted);
    (
        got,
        after.grows_asked - before.grows_asked,
        after.grows_refused - before.grows_refused,
    )
}

#[test]
fn a_region_is_extended_by_whole_pages_up_to_its_limit() {
    by_allocator(&ON_DEMAND, hear);
    assert_eq!(extend(1), (65_536, 1, 0));
    assert_eq!(extend(65_537), (2 * 65_536, 1, 0));
    assert_eq!(extend(u32::MAX), (MAX - 3 * 65_536, 1, 0));
    assert_eq!(extend(1), (0, 0, 0));
}

#[test]
fn a_region_is_not_extended_past_somebody_elses_pages() {
    by_allocator(&ON_DEMAND, hear);
    assert_eq!(extend(1), (65_536, 1, 0));
    grow(1);
    assert_eq!(extend(1), (0, 0, 0));
}

#[test]
fn a_refused_extension_is_counted() {
    by_allocator(&TIGHT, hear);
    let step = 20 << 20;
    assert_eq!(extend(step), (step, 1, 0));
    assert_eq!(extend(step), (0, 1, 1));
    assert_eq!(extend(16 << 20), (16 << 20, 1, 0));
    assert_eq!(instance_info::current().grows_refused, 1);
}
