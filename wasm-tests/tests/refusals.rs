//! Hosts that end a guest when they refuse it memory, and modules that want to be refused before
//! they start.

use std::fs;

use steadfast::instance_info::Reservation;
use steadfast_host::engine::Compiler;
use steadfast_host::limits::OnRefusal;
use steadfast_host::{LoadError, RunConfig, Runner};
use wasm_tests::{Guest, Outcome, Setting, TARGETS, debug_build, path};

const PAGE: u64 = 65536;
const MIB: u64 = 1 << 20;

/// Bytes of the default plan: the heap's budget, and with it the largest region.
const BUDGET: u64 = 128 * MIB;
const WHOLE: u64 = BUDGET + 1024 * MIB;

fn module(target: &str, name: &str) -> Vec<u8> {
    let path = path(target, name);
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()))
}

fn run(guest: &Guest, ceiling: u64, on_refusal: OnRefusal) -> Outcome {
    let setting = Setting {
        ceiling,
        on_refusal,
        ..Setting::default()
    };
    guest.run(&setting).unwrap()
}

#[test]
fn where_a_refusal_traps_the_exact_policy_runs_with_its_memory_or_stops_at_the_growth() {
    for target in TARGETS {
        let expected = run(
            &Guest::load(target, "cache"),
            4 << 30,
            OnRefusal::ReturnMinusOne,
        );
        for compiler in Compiler::ALL {
            let context = format!("{target}, {}", compiler.name());
            let guest = Guest::compiled(&module(target, "policy-exact"), compiler).unwrap();
            for ceiling in [WHOLE, WHOLE + PAGE, 4 << 30] {
                let outcome = run(&guest, ceiling, OnRefusal::Trap).finished(&context);
                assert_eq!((outcome.grows.asked, outcome.grows.refused), (2, 0));
                assert_eq!(outcome.results[0], expected.results[0], "{context}");
            }
            // One call for the budget, one for the region: the first that is refused is the end.
            for (ceiling, asked) in [(WHOLE - PAGE, 2), (BUDGET, 2), (BUDGET - PAGE, 1)] {
                let outcome = run(&guest, ceiling, OnRefusal::Trap);
                let trap = outcome.trap.expect(&context);
                assert!(
                    trap.contains("the host traps on refusal"),
                    "{context}: {trap}"
                );
                assert_eq!(outcome.grows.asked, asked, "{context}");
            }
        }
    }
}

#[test]
fn so_it_is_with_the_limiter_of_wasmi() {
    let engine = wasmi::Engine::default();
    let target = TARGETS[1];
    let guest = wasmi::Module::new(&engine, module(target, "policy-exact")).unwrap();
    let start = |ceiling: u64| {
        let limits = wasmi::StoreLimitsBuilder::new()
            .memory_size(ceiling as usize)
            .trap_on_grow_failure(true);
        let mut store = wasmi::Store::new(&engine, limits.build());
        store.limiter(|limits| limits);
        let mut linker = wasmi::Linker::new(&engine);
        linker.func_wrap("env", "__log", |_: i32| ()).unwrap();
        let instance = linker.instantiate_and_start(&mut store, &guest);
        let instance = instance.unwrap();
        let start = instance.get_typed_func::<(), ()>(&store, "_start").unwrap();
        let end = start.call(&mut store, ());
        let results = instance.get_global(&store, "guest_results").unwrap();
        let at = results.get(&store).i32().unwrap() as usize;
        let memory = instance.get_memory(&store, "memory").unwrap();
        let first = memory.data(&store)[at..].first_chunk().copied().unwrap();
        end.map(|()| u64::from_le_bytes(first))
    };
    let expected = run(
        &Guest::load(target, "cache"),
        4 << 30,
        OnRefusal::ReturnMinusOne,
    );
    assert_eq!(start(WHOLE).unwrap(), expected.results[0]);
    for ceiling in [WHOLE - PAGE, BUDGET, BUDGET - PAGE] {
        let error = start(ceiling).unwrap_err().to_string();
        assert!(error.contains("grow"), "{error}");
    }
}

#[test]
fn a_module_that_declares_its_budget_is_refused_before_it_starts() {
    for target in TARGETS {
        let (mut build, built) = debug_build("churn", target, "declared-build");
        let flags = format!("-Clink-arg=--initial-memory={BUDGET}");
        let output = build.env("RUSTFLAGS", flags).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let bytes = fs::read(built).unwrap();
        let expected = Guest::load(target, "churn");
        let expected = run(&expected, BUDGET, OnRefusal::ReturnMinusOne).finished(target);
        for compiler in Compiler::ALL {
            let context = format!("{target}, {}", compiler.name());
            let guest = Guest::compiled(&bytes, compiler).unwrap();
            let setting = Setting {
                ceiling: BUDGET - PAGE,
                ..Setting::default()
            };
            let refused = guest.run(&setting).expect_err(&context).to_string();
            assert!(refused.contains("memory"), "{context}: {refused}");
            // With the budget and nothing else, the region alone is asked for, and refused.
            let outcome = run(&guest, BUDGET, OnRefusal::ReturnMinusOne).finished(&context);
            assert_eq!(outcome.results, expected.results, "{context}");
            assert_eq!(outcome.info().region_granted, 0, "{context}");
            assert_eq!(outcome.grows.asked, outcome.grows.refused, "{context}");
            let whole = run(&guest, WHOLE, OnRefusal::Trap).finished(&context);
            assert_eq!(u64::from(whole.info().region_granted), WHOLE - BUDGET);
        }
        let config = RunConfig {
            ceiling: BUDGET - PAGE,
            ..RunConfig::default()
        };
        let refused = Runner::new(&bytes, config).err().expect("it needs more");
        let LoadError::InitialMemory { initial, .. } = refused else {
            panic!("{refused}");
        };
        assert_eq!(initial, BUDGET);
    }
}

fn said(target: &str, name: &str, ceiling: u64) -> Outcome {
    run(
        &Guest::load(target, name),
        ceiling,
        OnRefusal::ReturnMinusOne,
    )
}

#[test]
fn the_module_itself_says_why_it_stops() {
    for target in TARGETS {
        let stops = [
            (
                "exhaust-abort",
                4 << 30,
                [
                    "the heap is exhausted: request of 300000000 bytes (align 1)",
                    "raise STEADFAST_REGION_BASE",
                ],
            ),
            (
                "exhaust-align",
                4 << 30,
                [
                    "a request of 100 bytes cannot be aligned to 131072",
                    "whatever the budget",
                ],
            ),
            (
                "churn",
                BUDGET - PAGE,
                ["the host refused the heap's budget", "needs 2048"],
            ),
            (
                "static-data",
                4 << 30,
                [
                    "static data and stack end at address",
                    "raise STEADFAST_REGION_BASE",
                ],
            ),
            ("panic", 4 << 30, ["panic.rs:", "the divisor is 0"]),
        ];
        for (name, ceiling, words) in stops {
            let outcome = said(target, name, ceiling);
            assert!(outcome.trap.is_some(), "{target} {name}");
            for words in words {
                let said = &outcome.said;
                assert!(said.contains(words), "{target} {name}: {said:?}");
            }
        }
    }
    // C goes on where its `malloc` answers null, and the reason is told all the same.
    let outcome = said(TARGETS[0], "c-family", 4 << 30).finished("c-family");
    for words in [
        "C's part of the budget is exhausted",
        "raise STEADFAST_C_HEAP",
    ] {
        assert!(outcome.said.contains(words), "{}", outcome.said);
    }
}

/// Of many, ever fewer: a program may go on without the memory.
#[test]
fn refused_requests_are_told_each_at_first() {
    for target in TARGETS {
        let outcome = said(target, "exhaust", 4 << 30).finished(target);
        let count = outcome.info().exhausted_count;
        assert!(count > 5);
        let told = (1..=count).filter(|number| *number <= 16 || number.is_power_of_two());
        assert_eq!(
            outcome.said.lines().count(),
            told.count(),
            "{}",
            outcome.said
        );
    }
}

/// What was refused before, and handled, is not the cause.
#[test]
fn the_request_that_stops_the_module_is_the_one_that_is_noted() {
    for target in TARGETS {
        let outcome = said(target, "exhaust-abort", 4 << 30);
        assert_eq!(outcome.info().exhausted_count, 2);
        assert_eq!(outcome.info().exhausted_request, 300_000_000);
        let lines: Vec<&str> = outcome.said.lines().collect();
        assert!(lines[0].contains("request of 400000000 bytes"), "{lines:?}");
        assert!(lines[1].contains("request of 300000000 bytes"), "{lines:?}");
    }
}

#[test]
fn a_sink_that_allocates_stops_at_once() {
    for target in TARGETS {
        let outcome = said(target, "sink-allocates", 64 * MIB);
        let trap = outcome.trap.as_deref().unwrap_or_default();
        assert!(trap.contains("the_host_refused_the_heap_budget"), "{trap}");
        assert!(
            trap.contains("unreachable"),
            "no overflow of the stack: {trap}"
        );
        assert_eq!((outcome.grows.asked, outcome.results[0]), (1, 1));
        assert_eq!(outcome.info().state, Reservation::BudgetRefused as u32);
        assert_eq!(outcome.said.lines().count(), 1, "{}", outcome.said);
    }
}
