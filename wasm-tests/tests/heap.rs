//! The heap's core inside a module.

use wasm_tests::{Guest, Setting, TARGETS};

#[test]
fn random_operations_keep_every_promise_in_a_module() {
    let mut results = Vec::new();
    for target in TARGETS {
        let guest = Guest::load(target, "heap-ops");
        let outcome = guest.run(&Setting::default()).unwrap().finished(target);
        assert!(
            outcome.results[7] > 0,
            "the smallest budget of {target} never ran out"
        );
        results.push(outcome.results);
    }
    // Offsets depend on the operations alone, not on the target.
    assert_eq!(results[0], results[1]);
}
