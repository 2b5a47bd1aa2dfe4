//! C and C++ in a module. `cargo xtask test` compiles them and runs these where it can get clang.

use std::fs;

use steadfast_host::engine::engine;
use steadfast_host::{Guest as Module, MemoryMap};
use wasm_tests::{Guest, Setting, TARGETS, path};

#[test]
#[ignore = "needs guests that clang compiles"]
fn a_c_library_finds_its_allocator_on_both_targets_and_moves_nothing() {
    for target in TARGETS {
        let guest = Guest::load(target, "c-list");
        let run = |kept| {
            let setting = Setting {
                first: kept,
                ..Setting::default()
            };
            guest.run(&setting).unwrap().finished(target)
        };
        let none = run(0);
        for kept in [0, 1, 100, 1000] {
            let outcome = run(kept);
            assert_eq!(outcome.results[1], (0..1000).sum::<u64>(), "{target}");
            assert_eq!(outcome.results[2], 1, "{target}: the family is whole");
            assert_eq!(outcome.results[3], 1, "{target}: in C's part");
            assert_eq!(outcome.results[4], 0, "{target}: C finds its part's end");
            assert_eq!(outcome.results[5], none.results[5], "{target}: {kept} kept");
            assert_eq!(outcome.info().trace_digest, none.info().trace_digest);
            assert_eq!(outcome.grows, none.grows, "{target}: C grows nothing");
        }
    }
}

#[test]
#[ignore = "needs guests that clang compiles"]
fn c_cleans_up_at_exit_and_statics_of_c_plus_plus_are_destroyed() {
    let guest = Guest::load(TARGETS[0], "c-exit");
    let outcome = guest.run(&Setting::default()).unwrap().finished("c-exit");
    // C's hundred, a static at the top and one in a function.
    assert_eq!(outcome.results[0], 102);
    assert_eq!(outcome.results[1], 0, "libc had room");
    assert!(outcome.results[2] > 100_000, "C++ held its words");
    assert!(outcome.info().c_heap_len > 0);
}

#[test]
#[ignore = "needs guests that clang compiles"]
fn the_map_of_a_plan_has_cs_part_on_both_targets() {
    let engine = engine(false).unwrap();
    for target in TARGETS {
        let bytes = fs::read(path(target, "c-list")).expect("`cargo xtask test` built it");
        let module = Module::load(&engine, &bytes).unwrap();
        let plan = module.plan().expect("the guest has a plan");
        let map = MemoryMap::of_plan(target, plan, module.outline());
        let part = map.rows.iter().find(|row| row.name == "heap of C");
        assert_eq!(part.map(|row| row.bytes), Some(plan.c_heap().get()));
    }
}
