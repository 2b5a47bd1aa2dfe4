//! `check`: each rule on a module that it is for, and on one alike that it is not for.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use steadfast::format::InstanceInfo;
use steadfast::{Bytes, Plan, Policy};
use steadfast_host::check::{Finding, Level, check, rules};
use steadfast_host::{Bound, MemoryState, Runner};

use crate::guests::{any_input, escaped, quiet};
use crate::warm::guest;

/// What a module has to have.
const RUNS: &str = r#"(memory (export "memory") 17) (func (export "_start"))"#;

/// A module without a plan, with these fields.
fn plain(fields: &str) -> Vec<u8> {
    wat::parse_str(format!("(module {fields})")).expect("a well-formed module")
}

fn plan_section(plan: &Plan) -> String {
    format!(
        r#"(@custom "{}" "{}")"#,
        Plan::SECTION,
        escaped(&plan.encode())
    )
}

/// A module with a plan.
fn planned(fields: &str) -> Vec<u8> {
    plain(&format!("{} {fields}", plan_section(&Plan::DEFAULT)))
}

fn ids(module: &[u8]) -> BTreeSet<&'static str> {
    let found = check(module).unwrap();
    found.iter().map(|finding| finding.rule.id).collect()
}

fn of(module: &[u8], rule: &str) -> Finding {
    let found = check(module).unwrap();
    found
        .into_iter()
        .find(|finding| finding.rule.id == rule)
        .unwrap()
}

/// For each rule: a module that it is for, and one alike that it is not for.
fn cases() -> Vec<(&'static str, Vec<u8>, Vec<u8>)> {
    let memory = |fields: &str| format!(r#"(memory (export "memory") 17) {fields}"#);
    let info = format!(
        r#"(global (export "{}") i32 (i32.const 8))"#,
        InstanceInfo::EXPORT
    );
    let wasi = |name: &str| format!(r#"(import "wasi_snapshot_preview1" "{name}" (func))"#);
    let one = plan_section(&Plan::DEFAULT);
    let low = Plan::DEFAULT.with_region_base(Bytes::mib(16));
    let high = Plan::METASHREW.with_region_max(Bytes::mib(1025));
    let get = r#"(import "env" "__get" (func (param i32 i32)))"#;
    let stack = |top: u32, data: u32| {
        memory(&format!(
            r#"(global (mut i32) (i32.const {top})) (data (i32.const {data}) "data")"#
        ))
    };
    let function = |name: &str, code: &str| memory(&format!("(func ${name} {code})"));
    let grows = "(drop (memory.grow (i32.const 1)))";
    let asks = "(drop (memory.size))";
    let float = "(f32.store (i32.const 0) (f32.div (f32.const 0) (f32.const 0)))";
    let calls = |name: &str| format!("(call ${name})");
    const GROW: &str = "core::core_arch::wasm32::memory::memory_grow";
    let wrapper = function(GROW, grows);
    vec![
        ("refused", plain(""), plain(RUNS)),
        ("no-plan", plain(""), planned("")),
        (
            "no-plan",
            plain(&format!("{info} {}", function("dlmalloc::malloc", ""))),
            plain(&info),
        ),
        ("stripped-plan", plain(&info), planned(&info)),
        ("two-plans", plain(&format!("{one} {one}")), plain(&one)),
        (
            "damaged-plan",
            plain(&format!(r#"(@custom "{}" "plan")"#, Plan::SECTION)),
            plain(&one),
        ),
        (
            "another-allocator",
            planned(&function("dlmalloc::malloc", "")),
            plain(&function("dlmalloc::malloc", "")),
        ),
        (
            "grows-memory",
            planned(&function("mine", grows)),
            planned(&function("steadfast::reserve::decide", grows)),
        ),
        (
            "asks-memory-size",
            planned(&function("mine", asks)),
            planned(&format!(
                "{} (func $steadfast::reserve::stop)",
                function("mine", &format!("{asks} (call $steadfast::reserve::stop)"))
            )),
        ),
        // Where nothing is optimised, who calls this is who does it.
        (
            "grows-memory",
            planned(&format!("{wrapper} (func $mine {})", calls(GROW))),
            planned(&format!(
                "{wrapper} (func $steadfast::grow {})",
                calls(GROW)
            )),
        ),
        // Without names it may be steadfast.
        (
            "grows-memory",
            planned(&memory(&format!("{info} (func $mine {grows})"))),
            planned(&memory(&format!("{info} (func {grows})"))),
        ),
        (
            "unusual-memory",
            plain("(memory 1 2 shared)"),
            plain("(memory 1 2)"),
        ),
        (
            "maximum-memory",
            plain(&format!("{} (memory 17 255)", plan_section(&low))),
            plain(&format!("{} (memory 17 256)", plan_section(&low))),
        ),
        (
            "segment-out-of-bounds",
            plain(r#"(memory 1) (data (i32.const 65533) "data")"#),
            plain(r#"(memory 1) (data (i32.const 65532) "data")"#),
        ),
        // Also one without bytes.
        (
            "segment-out-of-bounds",
            plain(r#"(memory 1) (data (i32.const 65537) "")"#),
            plain(r#"(memory 1) (data (i32.const 65536) "")"#),
        ),
        (
            "segment-out-of-bounds",
            plain("(table 2 funcref) (func $f) (elem (i32.const 1) $f $f)"),
            plain("(table 3 funcref) (func $f) (elem (i32.const 1) $f $f)"),
        ),
        // What an expression comes to is not calculated.
        (
            "segment-out-of-bounds",
            plain(r#"(memory 0) (data (i32.const 8) "data")"#),
            plain(r#"(memory 0) (data (i32.sub (i32.const 8) (i32.const 8)) "")"#),
        ),
        (
            "data-in-region",
            plain(&format!(
                r#"{} (memory 300) (data (i32.const {}) "data")"#,
                plan_section(&low),
                (16 << 20) - 3
            )),
            plain(&format!(
                r#"{} (memory 300) (data (i32.const {}) "data")"#,
                plan_section(&low),
                (16 << 20) - 4
            )),
        ),
        (
            "no-heap",
            plain(&format!(
                r#"{} (memory 300) (data (i32.const {}) "data")"#,
                plan_section(&low),
                (16 << 20) - 65_536 - 3
            )),
            plain(&format!(
                r#"{} (memory 300) (data (i32.const {}) "data")"#,
                plan_section(&low),
                (16 << 20) - 65_536 - 4
            )),
        ),
        (
            "region-out-of-reach",
            plain(&format!("{get} {}", plan_section(&high))),
            plain(&format!("{get} {}", plan_section(&Plan::METASHREW))),
        ),
        (
            "region-out-of-reach",
            plain(&format!("{get} {}", plan_section(&high))),
            plain(&plan_section(&high)),
        ),
        (
            "region-out-of-reach",
            plain(&format!("{get} {}", plan_section(&high))),
            plain(&format!(
                "{get} {}",
                plan_section(&high.with_policy(Policy::Off))
            )),
        ),
        (
            "stack-above-data",
            plain(&stack(65_536, 1_024)),
            plain(&stack(65_536, 65_536)),
        ),
        (
            "shadow-stack",
            plain(&stack(65_536, 65_536)),
            plain(&memory(r#"(data (i32.const 8) "data")"#)),
        ),
        (
            "clock",
            plain(&wasi("clock_time_get")),
            plain(&wasi("fd_write")),
        ),
        (
            "random",
            plain(&wasi("random_get")),
            plain(&wasi("fd_read")),
        ),
        (
            "random-map",
            plain(&function("std::sys::random::hashmap_random_keys", "")),
            plain(&function("hashbrown::map::HashMap", "")),
        ),
        (
            "environment",
            plain(&wasi("environ_get")),
            plain(&wasi("proc_exit")),
        ),
        (
            "foreign-import",
            plain(r#"(import "env" "__now" (func))"#),
            plain(r#"(import "env" "__log" (func (param i32)))"#),
        ),
        (
            "relaxed-simd",
            plain(&function(
                "f",
                "(drop (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
            )),
            plain(&function(
                "f",
                "(drop (i8x16.swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))",
            )),
        ),
        (
            "threads",
            plain(
                "(memory 1 1 shared) (func (drop (memory.atomic.notify (i32.const 0) (i32.const 1))))",
            ),
            plain("(memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0))))"),
        ),
        (
            "float-bits",
            plain(&function("f", float)),
            plain(&function("f", "(f32.store (i32.const 0) (f32.const 1))")),
        ),
        (
            "recursion",
            plain(&format!(
                "(func $a {}) (func $b::b {})",
                calls("b::b"),
                calls("a")
            )),
            plain(&format!("(func $a {}) (func $b::b)", calls("b::b"))),
        ),
        ("code-size", plain("(func $named)"), plain("(func)")),
    ]
}

#[test]
fn each_rule_is_for_one_module_and_not_for_one_alike() {
    let cases = cases();
    for (rule, fires, does_not) in &cases {
        assert!(ids(fires).contains(rule), "{rule} is silent");
        assert!(!ids(does_not).contains(rule), "{rule} is wrong");
    }
    let tried: BTreeSet<&str> = cases.iter().map(|(rule, ..)| *rule).collect();
    let all: BTreeSet<&str> = rules().map(|rule| rule.id).collect();
    assert_eq!(tried, all);
    assert_eq!(rules().count(), all.len(), "each has a name of its own");
}

/// What is read of segments, a run shows.
#[test]
fn no_instance_is_made_where_segments_do_not_fit() {
    let misfits = [
        r#"(data (i32.const 1114109) "data")"#,
        "(table 1 funcref) (func $f) (elem (i32.const 1) $f)",
    ];
    for fields in misfits {
        let module = plain(&format!("{RUNS} {fields}"));
        let found = of(&module, "segment-out-of-bounds");
        assert_eq!(found.places.len(), 1, "{found:?}");
        let runner = Runner::new(&module, quiet()).unwrap();
        let started = runner.start(&any_input(), &MemoryState::default());
        let reason = started.map(drop).unwrap_err().to_string();
        assert!(reason.contains("out of bounds"), "{reason}");
    }
}

/// Every cause for which `run` refuses a module is an error, told in the same words.
#[test]
fn what_run_refuses_is_an_error() {
    let start = r#"(func (export "_start"))"#;
    let memory = r#"(memory (export "memory") 17)"#;
    let plan = plan_section(&Plan::DEFAULT);
    let large = format!("(func {})", "(drop (memory.size))".repeat(200_000));
    let causes = [
        ("no start", memory.to_string()),
        (
            "a start that takes something",
            format!(r#"{memory} (func (export "_start") (param i32))"#),
        ),
        ("no memory", start.to_string()),
        (
            "a table of too many elements",
            format!("(table 4000000000 funcref) {RUNS}"),
        ),
        (
            "another's memory",
            format!(r#"(import "env" "m" (memory 1)) (export "memory" (memory 0)) {start}"#),
        ),
        (
            "an import that nobody provides",
            format!(r#"(import "env" "__now" (func)) {RUNS}"#),
        ),
        (
            "a global that nobody provides",
            format!(r#"(import "env" "g" (global i32)) {RUNS}"#),
        ),
        (
            "an import of another type",
            format!(r#"(import "env" "__flush" (func (param i64))) {RUNS}"#),
        ),
        (
            "a WASI import of another type",
            format!(r#"(import "wasi_snapshot_preview1" "fd_close" (func)) {RUNS}"#),
        ),
        (
            "a function that is a global",
            format!(r#"(import "env" "__flush" (global i32)) {RUNS}"#),
        ),
        (
            "threads",
            format!(r#"(memory (export "memory") 1 1 shared) {start}"#),
        ),
        ("exceptions", format!("{RUNS} (tag $t) (func (throw $t))")),
        ("wrong code", format!("{RUNS} (func (result i32))")),
        ("a function that is too large", format!("{RUNS} {large}")),
        (
            "too many functions",
            format!("{RUNS} {}", "(func)".repeat(70_000)),
        ),
        (
            "too many tables",
            format!("{RUNS} {}", "(table 1 funcref)".repeat(20)),
        ),
        ("two plans", format!("{RUNS} {plan} {plan}")),
        (
            "a damaged plan",
            format!(r#"{RUNS} (@custom "{}" "plan")"#, Plan::SECTION),
        ),
        (
            "too little memory",
            format!(r#"{plan} (memory (export "memory") 17 18) {start}"#),
        ),
    ];
    for (cause, fields) in causes {
        let module = plain(&fields);
        let refused = Runner::new(&module, quiet()).map(drop).unwrap_err();
        let found = check(&module).unwrap();
        let mut errors = found
            .iter()
            .filter(|finding| finding.rule.level == Level::Error);
        let error = errors
            .next()
            .unwrap_or_else(|| panic!("{cause}: {refused}"));
        if error.rule.id == "refused" {
            assert_eq!(error.what, refused.to_string(), "{cause}");
        }
    }
}

#[test]
fn one_circle_is_one() {
    let found = of(&plain("(func $a::a (call $a::a))"), "recursion");
    assert!(
        found.what.starts_with("1 circle of functions"),
        "{}",
        found.what
    );
}

#[test]
fn findings_tell_the_places() {
    let module = planned(
        r#"(memory 17) (func $mine (drop (memory.grow (i32.const 1)))) (func (drop (memory.grow (i32.const 1))))"#,
    );
    assert_eq!(of(&module, "grows-memory").places, ["mine", "function 1"]);
    let module = plain(r#"(import "env" "now" (func)) (import "other" "__log" (func))"#);
    assert_eq!(
        of(&module, "foreign-import").places,
        ["env::now", "other::__log"]
    );
    // The frame on the shadow stack, also of one that calls itself through another.
    let module = plain(
        r#"(global (mut i32) (i32.const 65536))
        (func $a::a (drop (i32.sub (global.get 0) (i32.const 48))) (call $b::b))
        (func $b::b (drop (i32.sub (global.get 0) (i32.const 16))) (call $a::a))
        (func $c::c (call $c::c))"#,
    );
    assert_eq!(
        of(&module, "recursion").places,
        ["64 B: a::a, b::b", "0 B: c::c"]
    );
}

/// Reading the rest of one would have no bound.
#[test]
fn what_is_beyond_a_bound_or_not_valid_is_told_of_that_alone() {
    let functions = Bound::Functions.default() as usize + 1;
    for (fields, words) in [
        (String::from("(func (result i32))"), "not a valid"),
        ("(func)".repeat(functions), "functions"),
    ] {
        let found = check(&planned(&fields)).unwrap();
        let [Finding { rule, what, .. }] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(rule.id, "refused");
        assert!(what.contains(words), "{what}");
    }
    let plans = plan_section(&Plan::DEFAULT).repeat(1_000);
    let found = check(&planned(&plans)).unwrap();
    let told = found.iter().filter(|found| found.rule.id == "two-plans");
    assert_eq!(told.count(), 1);
}

#[test]
fn what_is_no_module_is_refused_and_damage_does_no_harm() {
    for bytes in [&b""[..], b"\0asm", b"no module", b"\0asm\x0d\0\x01\0"] {
        assert!(check(bytes).is_err(), "{bytes:?}");
    }
    let whole = planned(r#"(memory 17) (func $mine (drop (memory.grow (i32.const 1))))"#);
    for end in 0..whole.len() {
        let _ = check(&whole[..end]);
        for bit in 0..8 {
            let mut damaged = whole.clone();
            damaged[end] ^= 1 << bit;
            let _ = check(&damaged);
        }
    }
    // A chain of calls as long as a module can have.
    let functions = Bound::Functions.default() as usize;
    let chain: String = (0..functions)
        .map(|number| format!("(func (call {}))", (number + 1) % functions))
        .collect();
    let found = of(&plain(&chain), "recursion");
    assert_eq!(found.places.len(), 1);
    // One that calls all others takes no longer.
    let calls: String = (0..functions)
        .map(|number| format!("(call {number})"))
        .collect();
    let functions = "(func)".repeat(functions - 1);
    let star = plain(&format!("(func {calls}) {functions}"));
    assert_eq!(of(&star, "recursion").places.len(), 1);
    // Names steer no terminal.
    let module = plain(r#"(import "a\1b[2J" "b\0a" (func))"#);
    assert_eq!(
        of(&module, "foreign-import").places,
        [r"a\u{1b}[2J::b\u{a}"]
    );
}

#[test]
fn our_own_indexers_have_nothing_but_notes() {
    for name in ["indexer_metashrew", "indexer-wasi", "metashrew_port"] {
        let module = std::fs::read(guest(name)).unwrap();
        for finding in check(&module).unwrap() {
            assert_eq!(finding.rule.level, Level::Note, "{name}: {finding:?}");
        }
    }
}

fn run(module: &[u8], more: &[&str]) -> (Option<i32>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("module.wasm");
    std::fs::write(&path, module).unwrap();
    std::fs::write(
        directory.path().join("allow"),
        "# what is known\nno-plan: it is on trial\n",
    )
    .unwrap();
    std::fs::write(directory.path().join("without"), "no-plan\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["check", "module.wasm"])
        .args(more)
        .current_dir(directory.path())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn the_command_fails_by_level_and_leaves_out_what_is_allowed() {
    let warns = plain(RUNS);
    let (code, text, _) = run(&warns, &[]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains("[no-plan]") && text.contains("0 errors, 1 warning,"),
        "{text}"
    );
    for more in [
        &["--fail-on", "error"][..],
        &["--fail-on", "never"],
        &["--allow", "no-plan"],
        &["--allow-file", "allow"],
    ] {
        assert_eq!(run(&warns, more).0, Some(0), "{more:?}");
    }
    assert!(
        !run(&warns, &["--allow-file", "allow"])
            .1
            .contains("no-plan")
    );
    let notes = planned(&format!("{RUNS} (func $named)"));
    assert_eq!(run(&notes, &[]).0, Some(0));
    assert_eq!(run(&notes, &["--fail-on", "note"]).0, Some(1));
    for (more, word) in [
        (&["--allow", "no-rule"][..], "there is no rule `no-rule`"),
        (&["--allow-file", "without"], "line 1"),
        (&["--allow-file", "nowhere"], "nowhere"),
    ] {
        let (code, text, said) = run(&warns, more);
        assert_eq!((code, &*text), (Some(1), ""));
        assert!(said.contains(word), "{said}");
    }
    let (code, _, said) = run(b"no module", &[]);
    assert_eq!(code, Some(1));
    assert_eq!(said.matches("bad magic number").count(), 1, "{said}");
    assert!(
        said.contains("not a WebAssembly module") && !said.contains("\\u{a}"),
        "{said}"
    );
}

#[test]
fn findings_are_told_to_programs() {
    let module = plain(r#"(import "env" "__now" (func))"#);
    let (_, text, _) = run(&module, &["--json"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    let foreign = found.as_array().unwrap().iter();
    let foreign = foreign
        .clone()
        .find(|finding| finding["id"] == "foreign-import")
        .unwrap();
    assert_eq!(foreign["level"], "warning");
    assert_eq!(foreign["places"][0], "env::__now");
    let (_, text, _) = run(&module, &["--sarif"]);
    let sarif: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let known = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        assert!(known.iter().any(|rule| rule["id"] == result["ruleId"]));
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(location["artifactLocation"]["uri"], "module.wasm");
    }
}
