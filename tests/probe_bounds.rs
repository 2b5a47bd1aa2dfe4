//! The edges of what a host grants: the least rung of the ladder, the count of refusals, the codes
//! of outcomes.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::memory::host::{HostMemory, Script};
use steadfast::memory::{Memory, StaticEnd};
use steadfast::probe::{Ownership, obtain};
use steadfast::{Bytes, Grant, Pages, Plan, Policy, RegionOutcome};

const BASE: u32 = 128;

const PLAN: Plan = Plan::DEFAULT
    .with_region_base(Bytes::mib(8))
    .with_region_max(Bytes::mib(16))
    .checked();

/// Counts what it refuses.
struct Counting {
    host: HostMemory,
    refused: u32,
}

impl Memory for Counting {
    fn size(&self) -> Pages {
        self.host.size()
    }

    fn grow(&mut self, by: Pages) -> Option<Pages> {
        let got = self.host.grow(by);
        self.refused += u32::from(got.is_none());
        got
    }
}

/// What a host grants that has `ceiling` pages, and how often it refused.
fn granted(policy: Policy, ceiling: u32) -> (Grant, u32) {
    let host = HostMemory::new(Script {
        initial: Pages(17),
        ceiling: Pages(ceiling),
        refuse_nth: None,
        foreign: None,
    });
    let mut memory = Counting { host, refused: 0 };
    let static_end = StaticEnd {
        contents: 0x10_0010,
        initial_memory: 0x11_0000,
    };
    let plan = PLAN.with_policy(policy);
    let grant = obtain(&mut memory, &plan, static_end, Ownership::Whole, true);
    (grant.expect("the budget fits"), memory.refused)
}

#[test]
fn the_ladder_ends_at_one_mib() {
    for (left, got) in [
        (256, 256),
        (255, 128),
        (32, 32),
        (31, 16),
        (16, 16),
        (15, 0),
        (0, 0),
    ] {
        let (grant, _) = granted(Policy::Ladder, BASE + left);
        assert_eq!(grant.region.len / 65536, got, "{left} pages left");
    }
}

#[test]
fn every_refusal_is_counted() {
    for policy in [Policy::Probe, Policy::Ladder, Policy::Exact, Policy::Off] {
        for left in [0, 1, 15, 16, 100, 255, 256] {
            let (grant, refused) = granted(policy, BASE + left);
            assert_eq!(
                grant.grows_refused, refused,
                "{policy:?}, {left} pages left"
            );
        }
    }
}

#[test]
fn a_region_on_demand_may_grow_to_the_maximum() {
    let step = Bytes::mib(1);
    let (grant, _) = granted(Policy::OnDemand { step }, BASE + 256);
    assert_eq!((grant.region.len, grant.region_limit), (0, 256 * 65536));
    assert_eq!(grant.outcome, RegionOutcome::OnDemand);
    let (grant, _) = granted(Policy::Probe, BASE + 40);
    assert_eq!(grant.region_limit, grant.region.len);
}

#[test]
fn an_outcome_is_read_from_its_code() {
    use RegionOutcome::*;
    for outcome in [Full, Partial, Refused, Off, Occupied, OnDemand] {
        assert_eq!(
            RegionOutcome::from_code(outcome as u32),
            Some(outcome),
            "{outcome:?}"
        );
    }
    assert_eq!(RegionOutcome::from_code(OnDemand as u32 + 1), None);
    assert_eq!(RegionOutcome::from_code(u32::MAX), None);
}
