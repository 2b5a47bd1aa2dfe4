//! Every refusal and interference that a host can script leads to a defined outcome at the same
//! addresses.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::memory::StaticEnd;
use steadfast::memory::host::{HostMemory, Script};
use steadfast::probe::{Ownership, ReserveError, obtain};
use steadfast::{Bytes, Grant, Pages, Plan, Policy, RegionOutcome};

const PLAN: Plan = Plan::DEFAULT
    .with_region_base(Bytes::mib(8))
    .with_region_max(Bytes::mib(20))
    .with_c_heap(Bytes::mib(1))
    .checked();

const BASE: u32 = 128;
const MAX: u32 = 320;

const STATIC_END: StaticEnd = StaticEnd {
    contents: 0x10_0010,
    initial_memory: 0x11_0000,
};

const POLICIES: [Policy; 5] = [
    Policy::Probe,
    Policy::Ladder,
    Policy::Exact,
    Policy::OnDemand {
        step: Bytes::mib(1),
    },
    Policy::Off,
];

const QUIET: Script = Script {
    initial: Pages(17),
    ceiling: Pages::ADDRESS_SPACE,
    refuse_nth: None,
    foreign: None,
};

fn try_reserve(
    policy: Policy,
    script: Script,
    ownership: Ownership,
) -> (Result<Grant, ReserveError>, HostMemory) {
    let mut memory = HostMemory::new(script);
    let grant = obtain(
        &mut memory,
        &PLAN.with_policy(policy),
        STATIC_END,
        ownership,
        true,
    );
    (grant, memory)
}

/// What holds whatever the host does.
fn check(policy: Policy, script: Script, ownership: Ownership) -> Result<Grant, ReserveError> {
    use steadfast::memory::Memory;

    let (result, memory) = try_reserve(policy, script, ownership);
    let context = format!("{policy:?} {script:?} {ownership:?} {result:?}");
    assert!(memory.calls() <= 14, "{context}");
    let grant = match result {
        Ok(grant) => grant,
        Err(refusal) => {
            let ReserveError::Budget { .. } = refusal else {
                assert!(memory.foreign_at().is_some(), "{context}");
                return Err(refusal);
            };
            let refused = script.ceiling.0 < BASE
                || script.refuse_nth == Some(1)
                || memory.foreign_at().is_some_and(|at| at.0 < BASE);
            assert!(refused && script.initial.0 < BASE, "{context}");
            return Err(refusal);
        }
    };
    let page = |address: u32| address / 65536;
    assert_eq!(grant.grows_asked, memory.calls(), "{context}");
    assert_eq!(
        grant.region.start,
        PLAN.region_base().get() as u32,
        "{context}"
    );
    assert!(page(grant.region.len) <= MAX, "{context}");
    assert!(
        memory.size().0 >= BASE + page(grant.region.len),
        "{context}"
    );
    match ownership {
        Ownership::Whole => {
            assert_eq!(
                (grant.heap.start, grant.heap.len),
                (0x11_0000, 0x70_0000 - 0x11_0000),
                "{context}"
            );
            assert_eq!(
                (grant.c_heap.start, grant.c_heap.len),
                (0x70_0000, 0x10_0000),
                "{context}"
            );
        }
        Ownership::Beside => assert_eq!(grant.c_heap.len, 0, "{context}"),
    }
    // What existed at the start is not fresh; what we grew is.
    for span in [grant.heap, grant.c_heap, grant.region] {
        let initial_end = script.initial.bytes().get().min(u64::from(u32::MAX)) as u32;
        assert_eq!(
            span.start + grant.fresh_offset(span).min(span.len),
            initial_end.clamp(span.start, span.start + span.len),
            "{context}"
        );
    }
    if let Some(foreign) = memory.foreign_at() {
        assert!(foreign.0 >= BASE + page(grant.region.len), "{context}");
    }
    Ok(grant)
}

#[test]
fn the_probe_takes_all_that_a_ceiling_leaves_in_whole_mib() {
    for ceiling in 0..BASE + MAX + 40 {
        let script = Script {
            ceiling: Pages(ceiling),
            ..QUIET
        };
        let grant = check(Policy::Probe, script, Ownership::Whole);
        if ceiling < BASE {
            assert_eq!(
                grant,
                Err(ReserveError::Budget {
                    have: 17,
                    need: BASE
                })
            );
            continue;
        }
        let left = ceiling - BASE;
        let expected = if left >= MAX { MAX } else { left / 16 * 16 };
        assert_eq!(
            grant.unwrap().region.len / 65536,
            expected,
            "ceiling {ceiling}"
        );
    }
}

#[test]
fn the_ladder_takes_the_first_half_that_fits() {
    for ceiling in BASE..BASE + MAX + 2 {
        let script = Script {
            ceiling: Pages(ceiling),
            ..QUIET
        };
        let grant = check(Policy::Ladder, script, Ownership::Whole).unwrap();
        let expected = [320, 160, 80, 40, 20]
            .into_iter()
            .find(|rung| *rung <= ceiling - BASE);
        assert_eq!(
            grant.region.len / 65536,
            expected.unwrap_or(0),
            "ceiling {ceiling}"
        );
    }
}

#[test]
fn exact_asks_once_and_takes_all_or_nothing() {
    for ceiling in [BASE, BASE + MAX - 1, BASE + MAX] {
        let script = Script {
            ceiling: Pages(ceiling),
            ..QUIET
        };
        let grant = check(Policy::Exact, script, Ownership::Whole).unwrap();
        assert_eq!(grant.grows_asked, 2);
        assert_eq!(
            grant.region.len / 65536,
            if ceiling == BASE + MAX { MAX } else { 0 }
        );
    }
}

#[test]
fn every_refusal_growth_and_interference_is_defined() {
    let mut reserved = 0;
    let mut refused = 0;
    for policy in POLICIES {
        for ownership in [Ownership::Whole, Ownership::Beside] {
            for initial in [
                17, 18, 100, 127, 128, 129, 130, 144, 300, 447, 448, 449, 65536,
            ] {
                for ceiling in [initial, 130, 150, 300, 448, 460, 65536] {
                    for refuse_nth in (0..15).map(|n| (n > 0).then_some(n)) {
                        for foreign in (0..15).map(|n| (n > 0).then_some((n, Pages(3)))) {
                            let script = Script {
                                initial: Pages(initial),
                                ceiling: Pages(ceiling.max(initial)),
                                refuse_nth,
                                foreign,
                            };
                            match check(policy, script, ownership) {
                                Ok(_) => reserved += 1,
                                Err(_) => refused += 1,
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(reserved > 0 && refused > 0, "{reserved} {refused}");
}

#[test]
fn pages_that_exist_are_adopted_and_a_surplus_moves_nothing() {
    for initial in [BASE, BASE + 5, BASE + MAX, 65536] {
        let script = Script {
            initial: Pages(initial),
            ceiling: Pages(initial),
            ..QUIET
        };
        let grant = check(Policy::Probe, script, Ownership::Whole).unwrap();
        assert_eq!(
            grant.region.len / 65536,
            if initial >= BASE + MAX { MAX } else { 0 }
        );
        assert_eq!(grant.adopted.0, BASE - 17 + grant.region.len / 65536);
    }
    let partly = Script {
        initial: Pages(BASE + 37),
        ceiling: Pages(BASE + 37),
        ..QUIET
    };
    let grant = check(Policy::Probe, partly, Ownership::Whole).unwrap();
    assert_eq!(grant.region.len / 65536, 32);
    assert_eq!(grant.outcome, RegionOutcome::Partial);
}

#[test]
fn beside_another_allocator_only_free_pages_are_taken() {
    let grown = Script {
        initial: Pages(BASE + 1),
        ..QUIET
    };
    let grant = check(Policy::Probe, grown, Ownership::Beside).unwrap();
    assert_eq!(
        (grant.outcome, grant.region.len),
        (RegionOutcome::Occupied, 0)
    );
    assert_eq!(grant.heap.len, 0);

    let grown = Script {
        initial: Pages(40),
        ..QUIET
    };
    let grant = check(Policy::Probe, grown, Ownership::Beside).unwrap();
    assert_eq!((grant.outcome, grant.heap.len), (RegionOutcome::Full, 0));

    let grant = check(Policy::Probe, QUIET, Ownership::Beside).unwrap();
    assert_eq!(
        (grant.heap.start, grant.heap.len),
        (0x11_0000, 0x80_0000 - 0x11_0000)
    );
}

#[test]
fn static_data_that_leave_no_heap_are_named() {
    for (contents, fits) in [
        (0x6f_0000, true),
        (0x6f_0001, false),
        (0x70_0000, false),
        (0x80_0001, false),
        (u32::MAX, false),
    ] {
        let end = StaticEnd {
            contents,
            initial_memory: contents,
        };
        let mut memory = HostMemory::new(QUIET);
        let result = obtain(&mut memory, &PLAN, end, Ownership::Whole, true);
        assert_eq!(result.is_ok(), fits, "{contents:#x} {result:?}");
        if !fits {
            assert_eq!(memory.calls(), 0);
            assert!(matches!(result, Err(ReserveError::StaticData { .. })));
        }
    }
}
