//! What a host decides about a guest's memory, and what it reads from it.

use std::mem::offset_of;

use crate::guests::*;
use steadfast::format::{InstanceInfo, Reservation};
use steadfast::probe::ReserveError;
use steadfast_host::{LoadError, MemoryState, OnRefusal, RunConfig, RunError, Runner};

const PAGE: u64 = 65536;
const ONE_PAGE: &str = r#"(memory (export "memory") 1)"#;

/// Three grows of one page each; the value tells which were refused.
const THREE_GROWS: &str = r#"
    (global.set $value (i32.lt_s (memory.grow (i32.const 1)) (i32.const 0)))
    (drop (memory.grow (i32.const 0)))
    (global.set $value (i32.or (global.get $value)
        (i32.shl (i32.lt_s (memory.grow (i32.const 1)) (i32.const 0)) (i32.const 1))))
    (global.set $value (i32.or (global.get $value)
        (i32.shl (i32.lt_s (memory.grow (i32.const 1)) (i32.const 0)) (i32.const 2))))
"#;

fn run(module: &[u8], config: RunConfig) -> (steadfast_host::BlockReport, u32) {
    let runner = Runner::new(module, config).unwrap();
    let mut state = MemoryState::default();
    let report = runner.run_block(&any_input(), &mut state).unwrap();
    (report, written(&state))
}

#[test]
fn the_nth_grow_alone_is_refused() {
    let module = module_that_writes(ONE_PAGE, "", THREE_GROWS);
    let (report, refused) = run(&module, quiet());
    assert_eq!(
        (report.grows.asked, report.grows.refused, refused),
        (3, 0, 0)
    );
    assert_eq!(report.memory_bytes, 4 * PAGE);
    for n in 1..=4 {
        let config = RunConfig {
            refuse_grow: Some(n),
            ..quiet()
        };
        let (report, refused) = run(&module, config);
        assert_eq!(refused, (1 << (n - 1)) & 7, "grow {n}");
        assert_eq!(report.grows.refused, u64::from(n <= 3));
    }
}

#[test]
fn nothing_is_granted_beyond_the_ceiling() {
    let module = module_that_writes(ONE_PAGE, "", THREE_GROWS);
    for (pages, expected) in [(1, 7), (2, 6), (3, 4), (4, 0)] {
        let config = RunConfig {
            ceiling: pages * PAGE,
            ..quiet()
        };
        let (report, refused) = run(&module, config);
        assert_eq!(refused, expected, "ceiling of {pages} pages");
        assert_eq!(report.memory_bytes, pages * PAGE);
    }
}

#[test]
fn the_modules_own_maximum_counts_as_a_refusal() {
    let memory = r#"(memory (export "memory") 1 2)"#;
    let (report, refused) = run(&module_that_writes(memory, "", THREE_GROWS), quiet());
    assert_eq!(
        (report.grows.asked, report.grows.refused, refused),
        (3, 2, 6)
    );
}

#[test]
fn a_refusal_traps_where_told_to() {
    let module = module_that_writes(ONE_PAGE, "", THREE_GROWS);
    let config = RunConfig {
        refuse_grow: Some(2),
        on_refusal: OnRefusal::Trap,
        ..quiet()
    };
    let runner = Runner::new(&module, config).unwrap();
    let result = runner.run_block(&any_input(), &mut MemoryState::default());
    assert!(
        matches!(result, Err(RunError::GrowRefused(_))),
        "{result:?}"
    );
}

#[test]
fn memory_is_grown_before_the_start_to_the_pages_told() {
    let size = "(global.set $value (memory.size))";
    let module = module_that_writes(r#"(memory (export "memory") 3)"#, "", size);
    for (pregrow, expected) in [(0, 3), (3, 3), (4, 4), (1000, 1000), (65536, 65536)] {
        let config = RunConfig {
            pregrow: Some(pregrow),
            ..quiet()
        };
        let (report, pages) = run(&module, config);
        assert_eq!(u64::from(pages), expected);
        assert_eq!(
            report.grows.asked, 0,
            "the host's own growth is not the guest's"
        );
        assert_eq!(report.memory_bytes, expected * PAGE);
    }
    let config = RunConfig {
        pregrow: Some(5),
        ceiling: 4 * PAGE,
        ..quiet()
    };
    let runner = Runner::new(&module, config).unwrap();
    let result = runner.run_block(&any_input(), &mut MemoryState::default());
    assert!(
        matches!(result, Err(RunError::Pregrow { pages: 5, .. })),
        "{result:?}"
    );
}

#[test]
fn the_limit_on_the_cache_is_written_before_the_start() {
    let read = format!(
        "(global.set $value (i32.load (i32.const {})))",
        INFO_AT + InstanceInfo::CACHE_LIMIT_OFFSET
    );
    let module = module_that_writes(ONE_PAGE, &info_items(&[]), &read);
    assert_eq!(run(&module, quiet()).1, u32::MAX);
    for limit in [0, 1, 1 << 30] {
        let config = RunConfig {
            cache: Some(limit),
            ..quiet()
        };
        assert_eq!(run(&module, config).1, limit);
    }
}

#[test]
fn the_cache_of_a_module_without_instance_info_cannot_be_limited() {
    let config = RunConfig {
        cache: Some(0),
        ..quiet()
    };
    let runner = Runner::new(&counter(), config).unwrap();
    let result = runner.run_block(&any_input(), &mut MemoryState::default());
    assert!(
        matches!(result, Err(RunError::NoInstanceInfo)),
        "{result:?}"
    );
}

#[test]
fn instance_info_is_read_and_not_believed_where_it_is_damaged() {
    let fields = [
        (
            offset_of!(InstanceInfo, state),
            Reservation::Reserved as u32,
        ),
        (offset_of!(InstanceInfo, region_start), 0x0800_0000),
        (offset_of!(InstanceInfo, region_granted), 5 << 20),
        (offset_of!(InstanceInfo, region_outcome), 1),
        (offset_of!(InstanceInfo, grows_asked), 9),
        (offset_of!(InstanceInfo, trace_count), 1),
        (offset_of!(InstanceInfo, trace_digest), 0xabcd),
        (offset_of!(InstanceInfo, region_len), 5 << 20),
        // The value that is written, and the bytes behind it.
        (offset_of!(InstanceInfo, heap_usage_address), 1033),
    ];
    let module = module_that_writes(ONE_PAGE, &info_items(&fields), "");
    let seen = run(&module, quiet()).0.observed.unwrap();
    assert_eq!(
        (seen.region.start, seen.region.bytes),
        (0x0800_0000, 5 << 20)
    );
    assert_eq!((seen.region_outcome, seen.grows_asked), ("partial", 9));
    assert_eq!(seen.heap_trace.unwrap().digest, 0xabcd);
    assert_eq!(seen.heap_use.unwrap().held_bytes, 0);
    assert_eq!(seen.cache, None, "the region lies outside of this memory");

    let wild = (offset_of!(InstanceInfo, heap_usage_address), 0xffff_fff0);
    let module = module_that_writes(ONE_PAGE, &info_items(&[wild]), "");
    let seen = run(&module, quiet()).0.observed.unwrap();
    assert_eq!(seen.heap_use, None, "the usage lies outside of this memory");

    let damage = format!("(i32.store (i32.const {INFO_AT}) (i32.const 0))");
    let module = module_that_writes(ONE_PAGE, &info_items(&fields), &damage);
    assert_eq!(run(&module, quiet()).0.observed, None);
}

#[test]
fn a_refused_budget_is_told_with_what_is_needed() {
    let fields = [
        (
            offset_of!(InstanceInfo, state),
            Reservation::BudgetRefused as u32,
        ),
        (offset_of!(InstanceInfo, refused_have_pages), 1),
        (offset_of!(InstanceInfo, refused_need), 2048),
    ];
    let code = "(drop (memory.grow (i32.const 2047))) unreachable";
    let module = module_that_writes(ONE_PAGE, &info_items(&fields), code);
    let config = RunConfig {
        ceiling: 1 << 20,
        ..quiet()
    };
    let runner = Runner::new(&module, config).unwrap();
    let error = runner
        .run_block(&any_input(), &mut MemoryState::default())
        .unwrap_err();
    assert!(matches!(error, RunError::BudgetRefused { need, have: PAGE, .. } if need == 128 << 20));
    assert!(error.to_string().contains("134217728"), "{error}");
}

#[test]
fn pages_that_somebody_uses_are_told_as_the_module_tells_it() {
    let fields = [
        (
            offset_of!(InstanceInfo, state),
            Reservation::ForeignPages as u32,
        ),
        (offset_of!(InstanceInfo, refused_need), 0x12_0008),
    ];
    let memory = r#"(memory (export "memory") 19)"#;
    let module = module_that_writes(memory, &info_items(&fields), "unreachable");
    let runner = Runner::new(&module, quiet()).unwrap();
    let result = runner.run_block(&any_input(), &mut MemoryState::default());
    let error = result.unwrap_err().to_string();
    let words = ReserveError::Occupied { at: 0x12_0008 }.to_string();
    assert_eq!(error, words);
    assert!(
        words.contains("somebody uses it: address 0x120008"),
        "{words}"
    );
}

#[test]
fn each_cause_of_exhaustion_is_told() {
    for (part, align, words) in [
        (0, 8, "raise STEADFAST_REGION_BASE"),
        (1, 8, "raise STEADFAST_C_HEAP"),
        (0, 1 << 17, "cannot be aligned to 131072"),
        (1, 1 << 17, "cannot be aligned to 131072"),
    ] {
        let fields = [
            (
                offset_of!(InstanceInfo, state),
                Reservation::Reserved as u32,
            ),
            (offset_of!(InstanceInfo, exhausted_count), 1),
            (offset_of!(InstanceInfo, exhausted_align), align),
            (offset_of!(InstanceInfo, exhausted_part), part),
        ];
        let module = module_that_writes(ONE_PAGE, &info_items(&fields), "unreachable");
        let runner = Runner::new(&module, quiet()).unwrap();
        let result = runner.run_block(&any_input(), &mut MemoryState::default());
        let error = result.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn an_exhausted_heap_is_told_with_its_figures() {
    let fields = [
        (
            offset_of!(InstanceInfo, state),
            Reservation::Reserved as u32,
        ),
        (offset_of!(InstanceInfo, exhausted_count), 1),
        (offset_of!(InstanceInfo, exhausted_request), 100),
        (offset_of!(InstanceInfo, exhausted_align), 8),
        (offset_of!(InstanceInfo, exhausted_live), 900),
        (offset_of!(InstanceInfo, exhausted_largest_free), 64),
        (offset_of!(InstanceInfo, exhausted_budget), 1000),
    ];
    let module = module_that_writes(ONE_PAGE, &info_items(&fields), "unreachable");
    let runner = Runner::new(&module, quiet()).unwrap();
    let finished = runner.start(&any_input(), &MemoryState::default()).unwrap();
    let error = finished.outcome().as_ref().unwrap_err().to_string();
    let figures = "the heap is exhausted: request of 100 bytes (align 8), budget 1000, live 900, largest free block 64";
    assert!(error.starts_with(figures), "{error}");
    assert_eq!(finished.instance_info().unwrap().exhausted_request, 100);
    assert_eq!(finished.memory().len() as u64, PAGE);

    // A guest that lived through the failure, and trapped for another reason.
    let divide = "(global.set $value (i32.div_u (i32.const 1) (i32.const 0)))";
    let module = module_that_writes(ONE_PAGE, &info_items(&fields), divide);
    let runner = Runner::new(&module, quiet()).unwrap();
    let result = runner.run_block(&any_input(), &mut MemoryState::default());
    assert!(matches!(result, Err(RunError::Trap { .. })), "{result:?}");
}

#[test]
fn a_trap_names_the_functions_it_happened_in() {
    let items = r#"(func $inner unreachable) (func $outer (call $inner))"#;
    let module = module_that_writes(ONE_PAGE, items, "(call $outer)");
    let runner = Runner::new(&module, quiet()).unwrap();
    let error = runner
        .run_block(&any_input(), &mut MemoryState::default())
        .unwrap_err()
        .to_string();
    assert!(error.contains("; in inner < outer"), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn fuel_is_counted_and_the_same_in_every_run() {
    let config = RunConfig {
        fuel: true,
        ..quiet()
    };
    let first = run(
        &module_that_writes(ONE_PAGE, "", THREE_GROWS),
        config.clone(),
    );
    let second = run(&module_that_writes(ONE_PAGE, "", THREE_GROWS), config);
    assert!(first.0.fuel.unwrap() > 10);
    assert_eq!(first.0.fuel, second.0.fuel);
    assert_eq!(
        run(&module_that_writes(ONE_PAGE, "", ""), quiet()).0.fuel,
        None
    );
}

#[test]
fn a_compiled_module_runs_under_another_configuration() {
    let runner = Runner::new(&module_that_writes(ONE_PAGE, "", THREE_GROWS), quiet()).unwrap();
    let lower = RunConfig {
        ceiling: 2 * PAGE,
        ..quiet()
    };
    let mut state = MemoryState::default();
    let lowered = runner.with_config(lower).unwrap();
    lowered.run_block(&any_input(), &mut state).unwrap();
    assert_eq!(written(&state), 6);
    let none = RunConfig {
        ceiling: PAGE - 1,
        ..quiet()
    };
    assert!(matches!(
        runner.with_config(none),
        Err(LoadError::InitialMemory { initial: PAGE, .. })
    ));
}
