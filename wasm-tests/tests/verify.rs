//! The indexers do the same on every engine and in every kind of memory, and modules that do not
//! are found out.

use steadfast_host::Input;
use steadfast_host::verify::{
    Extent, Kind, Outcome, Row, Verdict, VerifyConfig, VerifyReport, verify,
};
use wasm_tests::{TARGETS, indexer, path};

fn quick(name: &str) -> VerifyReport {
    quick_of(&indexer(name))
}

fn quick_of(module: &[u8]) -> VerifyReport {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("mainnet block 702861", block).unwrap();
    let config = VerifyConfig {
        extent: Extent::Quick,
        ..VerifyConfig::default()
    };
    verify(module, &[input], &config, |_, _, _, _| ()).unwrap()
}

fn count(report: &VerifyReport, test: fn(&Outcome) -> bool) -> usize {
    let rows = report.rows.iter();
    rows.filter(|row| test(&row.outcome)).count()
}

fn is_different(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Different { .. })
}

#[test]
fn the_indexers_are_deterministic() {
    for name in ["indexer_metashrew", "indexer-wasi"] {
        let report = quick(name);
        assert_eq!(report.verdict(), Verdict::Deterministic, "{name}\n{report}");
        let same = count(&report, |outcome| matches!(outcome, Outcome::Same { .. }));
        assert!(same >= 30, "{name}: {same} runs\n{report}");
        // What is not installed, or not used for WASI, is told, never passed over.
        for engine in ["Winch", "Pulley", "wasmi", "Node", "Chromium", "Firefox"] {
            let told = |row: &Row| row.engine.contains(engine);
            assert!(report.rows.iter().any(told), "{engine}\n{report}");
        }
        for scenario in [
            "forgets",
            "too small for all",
            "one instance",
            "stack of 256 KiB",
            "back to the first block",
        ] {
            let told = |row: &Row| row.scenario.contains(scenario);
            assert!(report.rows.iter().any(told), "{scenario}\n{report}");
        }
        // The one refusal that ends the module is that of the budget.
        let refused = count(&report, |outcome| {
            matches!(outcome, Outcome::RefusedAsDefined)
        });
        assert_eq!(refused, 1, "{name}\n{report}");
    }
}

/// A module that tells its cache the heights goes on with what is left of it; one that does not
/// begins cold.
#[test]
fn the_chain_goes_back_where_the_cache_keeps_heights() {
    for (name, keeps_heights) in [("metashrew-block", true), ("stale-insert", false)] {
        let module = std::fs::read(path(TARGETS[0], name)).unwrap();
        let config = VerifyConfig {
            extent: Extent::Quick,
            ceiling: 192 << 20,
            ..VerifyConfig::default()
        };
        let blocks = [1, 2, 3].map(|height| Input::new(height, &[7]));
        let report = verify(&module, &blocks, &config, |_, _, _, _| ()).unwrap();
        assert_eq!(report.verdict(), Verdict::Deterministic, "{name}\n{report}");
        let went_back = |row: &&Row| row.scenario.contains("back to the first block");
        let row = report.rows.iter().find(went_back);
        let outcome = &row.unwrap_or_else(|| panic!("{name}\n{report}")).outcome;
        match keeps_heights {
            true => assert!(matches!(outcome, Outcome::Same { .. }), "{name}\n{report}"),
            false => assert!(matches!(outcome, Outcome::Skipped(_)), "{name}\n{report}"),
        }
    }
}

#[test]
fn what_is_not_deterministic_is_found() {
    let state = Kind::State;
    for (name, kind, words, look_at) in [
        ("control-reserve", state, "`reserved` = ", "a try_reserve"),
        ("control-address", state, "`address` = ", "addresses"),
        (
            "control-random",
            state,
            "`order` = ",
            "a map with a seed of its own",
        ),
        (
            "control-environment",
            state,
            "`address` = ",
            "copies the environment",
        ),
        (
            "control-output",
            Kind::Output,
            "line 2 of standard output is `reserved ",
            "a try_reserve",
        ),
        ("control-capacity", state, "`capacity` = ", "a capacity"),
        (
            "control-stale",
            state,
            "`blocks` = ",
            "a value kept although a newer one was refused",
        ),
        (
            "bare/control-kept",
            state,
            "`blocks` = ",
            "a static or a thread-local",
        ),
        ("control-depth", Kind::Stack, "nested too deep", "recursion"),
    ] {
        let report = quick(name);
        assert_eq!(report.verdict(), Verdict::Different, "{name}\n{report}");
        let text = report.to_string();
        assert!(text.contains(words), "{name}\n{report}");
        let found = report.differences();
        let found = found.iter().find(|(found, ..)| *found == kind);
        let (_, _, advice) = found.unwrap_or_else(|| panic!("{name}\n{report}"));
        assert!(
            advice.iter().any(|advice| advice.contains(look_at)),
            "{name}\n{report}"
        );
    }
}

#[test]
fn an_old_value_in_the_cache_is_found_where_the_cache_is_small_and_warm() {
    let report = quick("control-stale");
    for row in &report.rows {
        assert!(
            !is_different(&row.outcome) || row.scenario.contains("warm cache"),
            "{report}"
        );
    }
    // Warm alone is not enough.
    let warm = |row: &&Row| row.scenario == "warm cache";
    assert!(
        report
            .rows
            .iter()
            .filter(warm)
            .all(|row| !is_different(&row.outcome)),
        "{report}"
    );
}

/// One block is given: those that follow it write the same keys again.
#[test]
fn heights_that_are_too_low_are_found_where_the_chain_goes_back() {
    let report = quick("control-height");
    let rows = report.rows.iter();
    let scenarios: Vec<_> = rows
        .filter(|row| is_different(&row.outcome))
        .map(|row| row.scenario.as_str())
        .collect();
    assert!(!scenarios.is_empty(), "{report}");
    assert!(
        scenarios
            .iter()
            .all(|name| name.contains("back to the first block")),
        "{report}"
    );
}

#[test]
fn only_the_instance_that_is_kept_tells_a_static() {
    let report = quick("bare/control-kept");
    let scenarios: Vec<_> = report
        .rows
        .iter()
        .filter(|row| is_different(&row.outcome))
        .map(|row| &*row.scenario)
        .collect();
    assert_eq!(scenarios, ["one instance for all blocks"], "{report}");
}

#[test]
fn without_wasi_the_seed_of_a_map_is_an_address() {
    // On WASI it is drawn, and the reference is not even like itself.
    let drawn = quick("control-random");
    assert!(is_different(
        &drawn
            .rows
            .iter()
            .find(|row| row.scenario == "4 GiB")
            .unwrap()
            .outcome
    ));
    let report = quick("bare/control-random");
    assert_eq!(report.verdict(), Verdict::Different, "{report}");
    for row in &report.rows {
        if let Outcome::Different {
            kind: Kind::State, ..
        } = row.outcome
        {
            // In one instance, the second map has another address.
            let expected = ["grown to", "one instance"];
            assert!(
                expected.iter().any(|words| row.scenario.contains(words)),
                "{report}"
            );
        }
    }
}

/// A module without its custom sections.
fn stripped(module: &[u8]) -> Vec<u8> {
    use wasmparser::Parser;
    let mut out = wasm_encoder::Module::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Some((id, range)) = payload.unwrap().as_section()
            && id != 0
        {
            let data = &module[range];
            out.section(&wasm_encoder::RawSection { id, data });
        }
    }
    out.finish()
}

#[test]
fn a_module_whose_plan_was_stripped_is_tried_around_its_budget_all_the_same() {
    let report = quick_of(&stripped(&indexer("control-capacity")));
    let refused = count(&report, |outcome| {
        matches!(outcome, Outcome::RefusedAsDefined)
    });
    assert_eq!(refused, 1, "{report}");
    let alone = |row: &Row| row.scenario == "the heap's budget alone";
    assert!(report.rows.iter().any(alone), "{report}");
    assert!(
        report.to_string().contains("sections were stripped"),
        "{report}"
    );
}

#[test]
fn an_unread_environment_is_what_moves_the_address_of_the_control() {
    let report = quick("control-environment");
    let row = |scenario: &str| {
        let mut rows = report.rows.iter().filter(|row| row.scenario == scenario);
        rows.next().expect(scenario).outcome.clone()
    };
    assert!(is_different(&row("100000 B of environment")), "{report}");
    assert!(!is_different(&row("512 MiB")), "{report}");
}
