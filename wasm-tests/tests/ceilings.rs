//! Every ceiling and every refused growth: the same results, or the one defined abort.

use steadfast::instance_info::Reservation;
use wasm_tests::{Guest, Outcome, Setting, TARGETS};

const PAGE: u64 = 65536;
const MIB: u64 = 1 << 20;

/// Pages at which something changes for a guest with the default plan.
const BUDGET: u64 = 128 * MIB / PAGE;
const FULL: u64 = BUDGET + 1024 * MIB / PAGE;

fn around(page: u64) -> impl Iterator<Item = u64> {
    page.saturating_sub(3)..=page + 3
}

/// Page by page around each boundary, coarser between them.
fn ceilings() -> Vec<u64> {
    let mut pages: Vec<u64> = (1..=40)
        .chain((40..BUDGET).step_by(301))
        .chain(around(BUDGET))
        .chain(around(BUDGET + 16))
        .chain(around(BUDGET + 32))
        .chain((BUDGET..FULL).step_by(1117))
        .chain(around(FULL))
        .chain([65536])
        .collect();
    pages.sort_unstable();
    pages.dedup();
    pages
}

/// The aborts that the project defines.
fn is_defined_abort(outcome: &Outcome) -> bool {
    outcome
        .trap
        .as_ref()
        .is_some_and(|trap| trap.contains("the_host_refused_the_heap_budget"))
        && outcome.info().state == Reservation::BudgetRefused as u32
}

#[test]
fn every_ceiling_gives_the_same_results_or_the_defined_abort() {
    for target in TARGETS {
        for name in ["cache", "churn", "exhaust"] {
            let guest = Guest::load(target, name);
            let full = guest.run(&Setting::default()).unwrap().finished(name);
            let mut capacities = Vec::new();
            for pages in ceilings() {
                let setting = Setting {
                    ceiling: pages * PAGE,
                    ..Setting::default()
                };
                let context = format!("{target} {name} with {pages} pages");
                let Ok(outcome) = guest.run(&setting) else {
                    // Fewer pages than the module declares: there is no instance at all.
                    assert!(pages < 40, "{context}");
                    continue;
                };
                if pages < BUDGET {
                    assert!(is_defined_abort(&outcome), "{context}: {outcome:?}");
                    assert_eq!(outcome.grows.asked, 1, "{context}");
                    continue;
                }
                let outcome = outcome.finished(&context);
                assert!(outcome.grows.asked <= 14, "{context}");
                assert_eq!(outcome.results[0], full.results[0], "{context}");
                if name != "cache" {
                    assert_eq!(outcome.results, full.results, "{context}");
                }
                let info = outcome.info();
                assert_eq!(info.trace_digest, full.info().trace_digest, "{context}");
                assert_eq!(info.grows_asked as u64, outcome.grows.asked, "{context}");
                assert_eq!(
                    info.grows_refused as u64, outcome.grows.refused,
                    "{context}"
                );
                let left = (pages - BUDGET) * PAGE;
                let expected = left.min(1024 * MIB) / MIB * MIB;
                assert_eq!(u64::from(info.region_granted), expected, "{context}");
                capacities.push(info.region_granted);
            }
            capacities.dedup();
            assert!(capacities.len() > 10, "{capacities:?}");
        }
    }
}

#[test]
fn every_refused_growth_gives_the_same_results_or_the_defined_abort() {
    let names = [
        "cache",
        "churn",
        "small-plan",
        "policy-exact",
        "policy-ladder",
        "policy-on-demand",
        "policy-off",
    ];
    for target in TARGETS {
        for name in names {
            let guest = Guest::load(target, name);
            let full = guest.run(&Setting::default()).unwrap().finished(name);
            for ceiling in [4 << 30, 300 * MIB, 135 * MIB] {
                for nth in 1..=full.grows.asked + 20 {
                    let setting = Setting {
                        ceiling,
                        refuse_grow: Some(nth),
                        ..Setting::default()
                    };
                    let context = format!("{target} {name}: refused call {nth} below {ceiling}");
                    let outcome = guest.run(&setting).unwrap();
                    if nth == 1 {
                        assert!(is_defined_abort(&outcome), "{context}: {outcome:?}");
                        continue;
                    }
                    let outcome = outcome.finished(&context);
                    assert_eq!(outcome.results[0], full.results[0], "{context}");
                    assert_eq!(
                        outcome.info().trace_digest,
                        full.info().trace_digest,
                        "{context}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_limit_written_by_the_host_binds_the_cache_and_nothing_else() {
    for target in TARGETS {
        let guest = Guest::load(target, "cache");
        let full = guest.run(&Setting::default()).unwrap().finished("full");
        for limit in [0, 1, 63, 1000, 4096, 10_000, 65_537, 1_000_003, 64 << 20] {
            let setting = Setting {
                cache_limit: Some(limit),
                ..Setting::default()
            };
            let context = format!("{target} limited to {limit} bytes");
            let outcome = guest.run(&setting).unwrap().finished(&context);
            assert_eq!(outcome.results[0], full.results[0], "{context}");
            assert_eq!(
                outcome.info().trace_digest,
                full.info().trace_digest,
                "{context}"
            );
            assert_eq!(
                outcome.info().region_granted,
                full.info().region_granted,
                "{context}"
            );
            assert!(outcome.results[1] <= u64::from(limit), "{context}");
        }
    }
}

#[test]
fn the_refused_budget_reaches_the_guests_own_sink() {
    for target in TARGETS {
        let guest = Guest::load(target, "record-first");
        let setting = Setting {
            ceiling: 64 * MIB,
            ..Setting::default()
        };
        let outcome = guest.run(&setting).unwrap();
        assert!(is_defined_abort(&outcome), "{outcome:?}");
        assert_eq!(outcome.results[0], 1);
        assert!(outcome.results[1] > 0 && outcome.results[1] < BUDGET);
        assert_eq!(outcome.results[2], BUDGET);
    }
}

#[test]
fn exhaustion_is_recorded_at_the_same_point_everywhere() {
    for target in TARGETS {
        let guest = Guest::load(target, "exhaust-abort");
        let mut exhaustions = Vec::new();
        for ceiling in [128 * MIB, 200 * MIB, 4 << 30] {
            let setting = Setting {
                ceiling,
                ..Setting::default()
            };
            let outcome = guest.run(&setting).unwrap();
            assert!(outcome.trap.is_some());
            let info = *outcome.info();
            assert_eq!(info.exhausted_count, 2);
            assert_eq!(info.exhausted_request, 300_000_000);
            assert_eq!(info.exhausted_align, 1);
            assert_eq!(info.exhausted_budget, info.heap_len);
            assert!(info.exhausted_live >= 3_000_000);
            assert!(info.exhausted_largest_free > 100_000_000);
            exhaustions.push([
                info.exhausted_live,
                info.exhausted_largest_free,
                info.exhausted_budget,
                info.trace_digest as u32,
            ]);
        }
        assert!(
            exhaustions.windows(2).all(|pair| pair[0] == pair[1]),
            "{exhaustions:?}"
        );
    }
}
