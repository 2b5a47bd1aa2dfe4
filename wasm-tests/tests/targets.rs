//! Targets beyond the two that all tests are run on. `cargo xtask test` builds their guests and
//! runs these where it can get them.

use std::fs;

use wasm_tests::component::Compiled;
use wasm_tests::{Guest, Setting, path};

const COMPONENTS: &str = "wasm32-wasip2";
const NO_STD: &str = "wasm32v1-none";

fn component() -> Compiled {
    let component = fs::read(path(COMPONENTS, "component")).expect("`cargo xtask test` built it");
    Compiled::new(&component).unwrap()
}

#[test]
#[ignore = "needs guests for wasm32-wasip2"]
fn a_component_of_the_compiler_runs_and_moves_nothing() {
    component().nothing_moves(&[0, 1, 1000, 50_000, 500_000]);
}

#[test]
#[ignore = "needs guests for wasm32-wasip2"]
fn what_a_component_is_given_and_cs_part_has_no_room_for_is_told() {
    let argument = "x".repeat(5 << 20);
    let told = component().run(4 << 30, &[], &["component", &argument]);
    let told = format!("{:?}", told.expect_err("it stops"));
    assert!(
        told.contains("the_c_part_has_no_room_for_a_component"),
        "{told}"
    );
}

#[test]
#[ignore = "needs guests for wasm32v1-none"]
fn a_module_without_the_standard_library_runs() {
    let guest = Guest::load(NO_STD, "no_std_guest");
    for ceiling in [129 << 20, 4 << 30] {
        let setting = Setting {
            ceiling,
            ..Setting::default()
        };
        let outcome = guest.run(&setting).unwrap().finished(NO_STD);
        assert_eq!(outcome.results[0], 1, "the cache took the entry");
        assert_eq!(outcome.results[1], (0..100_000).sum::<u64>());
        let info = outcome.info();
        let heap = info.heap_start..info.heap_start + info.heap_len;
        assert!(heap.contains(&(outcome.results[2] as u32)));
        assert_eq!(info.c_heap_len, 0);
    }
}
