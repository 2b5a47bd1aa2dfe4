//! Pages that somebody grew before the first allocation, and uses: never handed out, and told.

use steadfast::RegionOutcome;
use steadfast::instance_info::Reservation;
use wasm_tests::{Guest, Outcome, Setting, TARGETS};

const PAGE: u64 = 65536;
const MESSAGE: &str = "memory grew before the first allocation, and somebody uses it";
const SYMBOL: &str = "memory_grew_before_and_somebody_uses_it";

/// Grows memory to so many pages, and keeps something at these addresses.
fn beside(pregrow_pages: u64, foreign: &[std::ops::Range<u64>]) -> Setting {
    Setting {
        pregrow_pages,
        foreign: foreign.to_vec(),
        ..Setting::default()
    }
}

/// One byte that somebody keeps.
fn one(at: u64) -> std::ops::Range<u64> {
    at..at + 1
}

/// It stopped as the project defines, with its reason.
#[track_caller]
fn assert_stopped(outcome: &Outcome, at: u64, context: &str) {
    assert_eq!(outcome.overwritten, 0, "{context}");
    let trap = outcome.trap.as_deref().unwrap_or_default();
    assert!(trap.contains(SYMBOL), "{context}: {trap}");
    assert_eq!(
        outcome.info().state,
        Reservation::ForeignPages as u32,
        "{context}"
    );
    assert_eq!(
        u64::from(outcome.info().refused_need),
        at / 8 * 8,
        "{context}"
    );
    assert_eq!(
        outcome.said.matches(MESSAGE).count(),
        1,
        "{context}: {}",
        outcome.said
    );
    assert!(
        outcome.said.contains(&format!("{:#x}", at / 8 * 8)),
        "{context}"
    );
}

/// A host that has grown the pages itself says so, and spares the guest the look.
#[test]
fn pages_that_the_host_has_grown_are_not_looked_at() {
    for target in TARGETS {
        let guest = Guest::load(target, "churn");
        let first = guest.declared_pages();
        for (page, is_found) in [(first, true), (first + 1, false)] {
            let at = page * PAGE;
            let setting = Setting {
                host_pages_from: ((first + 1) * PAGE) as u32,
                ..beside(first + 2, &[one(at)])
            };
            let outcome = guest.run(&setting).unwrap();
            match is_found {
                true => assert_stopped(&outcome, at, target),
                false => assert_eq!(outcome.trap, None, "{target}"),
            }
        }
    }
}

#[test]
fn two_pages_that_somebody_keeps_stop_the_first_allocation() {
    for target in TARGETS {
        for name in [
            "cache",
            "churn",
            "exhaust",
            "small-plan",
            "policy-ladder",
            "policy-exact",
            "policy-off",
            "policy-on-demand",
        ] {
            let guest = Guest::load(target, name);
            let first = guest.declared_pages();
            let (start, end) = (first * PAGE, (first + 2) * PAGE);
            for foreign in [
                start..end,
                start..start + 1,
                start + 100..start + 200,
                start + PAGE - 1..start + PAGE,
                start + PAGE..start + PAGE + 1,
                end - 1..end,
            ] {
                let context = format!("{target} {name}, {foreign:x?}");
                let outcome = guest
                    .run(&beside(first + 2, std::slice::from_ref(&foreign)))
                    .unwrap();
                assert_stopped(&outcome, foreign.start, &context);
            }
        }
    }
}

/// Wherever the byte is, the guest stops there or ends as it does without it.
#[test]
fn a_byte_anywhere_is_left_alone() {
    for target in TARGETS {
        for (name, end, step) in [("small-plan", 40 * 16, 3), ("exhaust", 128 * 16 + 4, 41)] {
            let guest = Guest::load(target, name);
            let fresh = guest.run(&Setting::default()).unwrap().finished(name);
            let heap_end = u64::from(fresh.info().heap_start + fresh.info().heap_len);
            let region = u64::from(fresh.info().region_start);
            let [mut stopped, mut cut] = [0; 2];
            for page in (guest.declared_pages()..end).step_by(step) {
                let at = page * PAGE + [0, 1, 7, PAGE / 2, PAGE - 1][page as usize % 5];
                let context = format!("{target} {name}, a byte at {at:#x}");
                let outcome = guest.run(&beside(end, &[one(at)])).unwrap();
                if outcome.trap.is_some() {
                    assert!(at < heap_end, "{context}");
                    assert_stopped(&outcome, at, &context);
                    stopped += 1;
                    continue;
                }
                assert_eq!(outcome.overwritten, 0, "{context}");
                assert_eq!(outcome.results[0], fresh.results[0], "{context}");
                let (info, expected) = (outcome.info(), fresh.info());
                assert_eq!(info.trace_digest, expected.trace_digest, "{context}");
                assert_eq!(info.region_granted, expected.region_granted, "{context}");
                let mut said = fresh.said.clone();
                if info.region_len < info.region_granted {
                    said += &format!(
                        "pages of the region are somebody else's: the cache has {} bytes and leaves them alone\n",
                        info.region_len
                    );
                    assert_eq!(info.region_outcome, RegionOutcome::Occupied as u32);
                    assert!(region + u64::from(info.region_len) <= at, "{context}");
                    cut += 1;
                }
                assert_eq!(outcome.said, said, "{context}");
            }
            match name {
                "exhaust" => assert!(stopped > 40, "{target}: {stopped}"),
                _ => assert!(stopped > 0 && cut > 3, "{target}: {stopped}, {cut}"),
            }
        }
    }
}

#[test]
fn somebody_in_the_first_pages_of_the_region_leaves_none() {
    for target in TARGETS {
        let guest = Guest::load(target, "cache");
        let fresh = guest.run(&Setting::default()).unwrap().finished("fresh");
        let base = 128 << 20;
        for at in [base, base + 5000, base + PAGE] {
            let context = format!("{target}, a byte at {at:#x}");
            let outcome = guest.run(&beside(140 * 16, &[one(at)])).unwrap();
            let outcome = outcome.finished(&context);
            assert_eq!(outcome.overwritten, 0, "{context}");
            assert_eq!(outcome.results[..3], [fresh.results[0], 0, 0], "{context}");
            assert_eq!(outcome.info().trace_digest, fresh.info().trace_digest);
            assert_eq!(outcome.info().region_len, 0);
            assert_eq!(
                outcome.info().region_outcome,
                RegionOutcome::Occupied as u32
            );
        }
    }
}

#[test]
fn somebody_in_the_part_for_c_stops_it() {
    let guest = Guest::load("wasm32-wasip1", "c-family");
    let at = (124 << 20) + PAGE;
    let outcome = guest.run(&beside(2048, &[one(at)])).unwrap();
    assert_stopped(&outcome, at, "C's part");
}

#[test]
fn a_sink_that_is_told_may_not_allocate() {
    for target in TARGETS {
        let guest = Guest::load(target, "sink-allocates");
        let first = guest.declared_pages();
        let at = first * PAGE;
        let outcome = guest.run(&beside(first + 2, &[one(at)])).unwrap();
        assert_stopped(&outcome, at, target);
        assert_eq!(outcome.results[0], 1, "the sink was called once");
    }
}
