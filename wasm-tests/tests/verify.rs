//! The indexers do the same on every engine and in every kind of memory, and modules that do not are found out.

use steadfast_host::Input;
use steadfast_host::verify::{Extent, Outcome, Row, Verdict, VerifyReport, verify};
use wasm_tests::indexer;

fn quick(name: &str) -> VerifyReport {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("mainnet block 702861", block).unwrap();
    verify(&indexer(name), &[input], Extent::Quick, |_, _, _, _| ()).unwrap()
}

#[test]
fn the_indexers_are_deterministic() {
    for name in ["indexer_metashrew", "indexer-wasi"] {
        let report = quick(name);
        assert_eq!(report.verdict(), Verdict::Deterministic, "{name}\n{report}");
        let count = |test: fn(&Outcome) -> bool| {
            let mut rows = report.rows.iter();
            rows.by_ref().filter(|row| test(&row.outcome)).count()
        };
        let same = count(|outcome| matches!(outcome, Outcome::Same { .. }));
        assert!(same >= 12, "{name}: {same} runs\n{report}");
        // What is not installed is told, never passed over.
        for engine in ["Winch", "Pulley", "wasmi", "Node", "Chromium", "Firefox"] {
            let told = |row: &Row| row.engine.contains(engine);
            assert!(report.rows.iter().any(told), "{engine}\n{report}");
        }
        // The one refusal that ends the module is that of the budget.
        let refused = count(|outcome| matches!(outcome, Outcome::RefusedAsDefined));
        assert_eq!(refused, 1, "{name}\n{report}");
    }
}

#[test]
fn what_is_not_deterministic_is_found() {
    for (name, words) in [
        ("control-reserve", "`reserved` = "),
        ("control-address", "`address` = "),
        ("control-random", "`order` = "),
        ("control-environment", "`address` = "),
        ("control-output", "line 2 of standard output is `reserved "),
    ] {
        let report = quick(name);
        assert_eq!(report.verdict(), Verdict::Different, "{name}\n{report}");
        assert!(report.to_string().contains(words), "{name}\n{report}");
    }
}

#[test]
fn an_unread_environment_is_what_moves_the_address_of_the_control() {
    let report = quick("control-environment");
    let row = |scenario: &str| {
        let mut rows = report.rows.iter().filter(|row| row.scenario == scenario);
        rows.next().expect(scenario).outcome.clone()
    };
    let different = |outcome| matches!(outcome, Outcome::Different { .. });
    assert!(different(row("100000 B of environment")), "{report}");
    assert!(!different(row("512 MiB")), "{report}");
}
