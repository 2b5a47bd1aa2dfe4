//! Other allocators in the module, C's among them, and static data in the way.

use steadfast::RegionOutcome;
use steadfast::instance_info::Reservation;
use wasm_tests::{Guest, Setting, TARGETS};

const REGION_BASE: u64 = 128 << 20;

#[test]
fn the_cache_serves_modules_that_keep_another_allocator() {
    for target in TARGETS {
        for name in ["beside-std", "beside-lol", "beside-wee"] {
            let guest = Guest::load(target, name);
            for ceiling_mib in [4096, 1500, 300, 145] {
                let setting = Setting {
                    ceiling: ceiling_mib << 20,
                    ..Setting::default()
                };
                let context = format!("{target} {name} below {ceiling_mib} MiB");
                let outcome = guest.run(&setting).unwrap();
                // What the other allocator still gets is between it and the host.
                let outcome = if ceiling_mib == 4096 {
                    outcome.finished(&context)
                } else {
                    outcome
                };
                assert_eq!(outcome.results[10], REGION_BASE, "{context}");
                assert!(outcome.results[11] > 0, "{context}");
                assert_eq!(outcome.info().region_start as u64, REGION_BASE, "{context}");
                if outcome.trap.is_none() {
                    assert!(outcome.results[2] > 0, "{context}: the cache hits");
                    assert_eq!(outcome.results[13], 15_000_000, "{context}");
                }
            }
        }
    }
}

#[test]
fn beside_another_allocator_an_occupied_place_turns_the_region_off() {
    for target in TARGETS {
        let guest = Guest::load(target, "beside-std");
        let setting = Setting {
            pregrow_pages: 3000,
            ..Setting::default()
        };
        let outcome = guest.run(&setting).unwrap().finished(target);
        assert_eq!(outcome.results[11], 0);
        assert_eq!(outcome.results[12], RegionOutcome::Occupied as u64);
        assert_eq!(outcome.results[2], 0, "nothing hits without a region");
    }
}

#[test]
fn an_environment_that_is_not_read_moves_no_address() {
    let guest = Guest::load("wasm32-wasip1", "environment");
    let run = |bytes: usize| {
        let mut env = vec![("GUEST_NAME".to_owned(), "steady".to_owned())];
        if bytes > 0 {
            env.push(("UNREAD".to_owned(), "x".repeat(bytes)));
        }
        let setting = Setting {
            env,
            ..Setting::default()
        };
        guest
            .run(&setting)
            .unwrap()
            .finished(&format!("{bytes} bytes"))
    };
    let empty = run(0);
    assert_eq!(empty.results[1], 6);
    for bytes in [1, 1000, 10_000, 65_536, 100_000, 1_000_000] {
        let outcome = run(bytes);
        assert_eq!(outcome.results, empty.results, "{bytes} bytes");
        assert_eq!(outcome.info().trace_digest, empty.info().trace_digest);
        assert_eq!(outcome.grows, empty.grows, "C grows nothing");
    }
}

#[test]
fn the_c_family_serves_from_its_own_part() {
    let guest = Guest::load("wasm32-wasip1", "c-family");
    let outcome = guest.run(&Setting::default()).unwrap().finished("c-family");
    assert_eq!(outcome.results[0], 1);
    // One request was for more than the part holds.
    assert_eq!(outcome.info().exhausted_count, 1);
    assert_eq!(outcome.info().exhausted_budget, outcome.info().c_heap_len);
}

#[test]
fn what_libc_allocates_for_itself_links_runs_and_moves_nothing() {
    let guest = Guest::load("wasm32-wasip1", "c-libc");
    let run = |blocks: u64| {
        let setting = Setting {
            env: vec![("C_BLOCKS".to_owned(), blocks.to_string())],
            ..Setting::default()
        };
        guest
            .run(&setting)
            .unwrap()
            .finished(&format!("{blocks} blocks"))
    };
    let none = run(0);
    for blocks in [0, 1, 10, 100, 3000] {
        let outcome = run(blocks);
        assert_eq!(outcome.results[0], none.results[0], "{blocks} blocks");
        assert_eq!(outcome.results[1], blocks);
        assert_eq!(outcome.results[2], 100, "calls at the end");
        assert_eq!(outcome.info().trace_digest, none.info().trace_digest);
        assert_eq!(outcome.grows, none.grows, "C grows nothing");
    }
}

#[test]
fn static_data_that_reach_past_the_region_are_a_clear_error() {
    for target in TARGETS {
        let guest = Guest::load(target, "static-data");
        let outcome = guest.run(&Setting::default()).unwrap();
        let trap = outcome.trap.as_deref().unwrap_or_default();
        assert!(trap.contains("static_data_reach_past_the_heap"), "{trap}");
        assert_eq!(outcome.info().state, Reservation::StaticDataTooLarge as u32);
        assert!(outcome.info().refused_need > 5 << 20);
        assert_eq!(outcome.grows.asked, 0);
    }
}

#[test]
fn pages_that_the_module_grows_itself_are_left_alone_and_move_nothing() {
    for target in TARGETS {
        let guest = Guest::load(target, "foreign-growth");
        let outcome = guest.run(&Setting::default()).unwrap().finished(target);
        assert_eq!(outcome.info().region_start as u64, REGION_BASE);
        let (while_filling, at_the_end) = (outcome.results[1], outcome.results[2]);
        assert!(
            while_filling > 0 && at_the_end == while_filling,
            "it stopped growing there"
        );
        assert!(outcome.results[3] > 1000, "and went on serving");
        for ceiling in [129 << 20, 140 << 20] {
            let setting = Setting {
                ceiling,
                ..Setting::default()
            };
            let bounded = guest.run(&setting).unwrap().finished(target);
            assert_eq!(bounded.results[0], outcome.results[0], "addresses");
        }
    }
}
