//! What a module does through WASI is compared, in whatever memory it is.

use std::mem::offset_of;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::desk::Desk;
use crate::guests::*;
use steadfast::format::{FORMAT_VERSION, InstanceInfo};
use steadfast_host::verify::{
    Extent, Kind, Outcome, Row, Scenario, Subject, Verdict, VerifyConfig, VerifyReport, engines,
    verify,
};
use steadfast_host::{Input, MemoryState, State as _, state_digest};

/// A module that stores the same on every host. `$more` is 1 where memory could be grown to 1 GiB,
/// and otherwise 0.
fn wasi_module(code: &str) -> Vec<u8> {
    module(&format!(
        r#"
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
        (import "wasi_snapshot_preview1" "clock_res_get"
            (func $clock_res_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get"
            (func $environ_sizes_get (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (global $unused (mut i32) (i32.const 0))
        (data (i32.const 16) "some text\0a0 blocks\0a")
        (data (i32.const 1024) "\09\00\00\00\0a\01v\0a\04same")
        (func $print (param $stream i32) (param $digit i32)
            (i32.store8 (i32.const 26) (i32.add (i32.const 48) (local.get $digit)))
            (i32.store (i32.const 60) (i32.const 16))
            (i32.store (i32.const 64) (i32.const 19))
            (drop (call $fd_write (local.get $stream) (i32.const 60) (i32.const 1) (i32.const 68))))
        (func (export "_start") (local $more i32)
            (local.set $more (i32.ne (memory.grow (i32.const 16383)) (i32.const -1)))
            {code}
            (call $flush (i32.const 1028)))
        "#
    ))
}

const QUICK: VerifyConfig = VerifyConfig {
    extent: Extent::Quick,
    ceiling: 4 << 30,
    timeout: Duration::from_secs(120),
};

fn quick(module: &[u8]) -> VerifyReport {
    verify(module, &[any_input()], &QUICK, |_, _, _, _| ()).unwrap()
}

fn report(code: &str) -> VerifyReport {
    quick(&wasi_module(code))
}

/// The words for the first difference, which is expected under each ceiling below 1 GiB, on every
/// engine that runs it.
fn difference(code: &str) -> String {
    let report = report(code);
    assert_eq!(report.verdict(), Verdict::Different, "{report}");
    let mut words = None;
    for row in &report.rows {
        let refuses = [
            "128 MiB",
            "512 MiB",
            "grown to its ceiling before",
            "memory.grow 1 refused",
        ];
        // What an engine that commits memory is given is too little.
        let expected = row.engine.contains("wasmi")
            || refuses.iter().any(|words| row.scenario.contains(words));
        match &row.outcome {
            Outcome::Different { difference, .. } => {
                assert!(expected, "{report}");
                words.get_or_insert_with(|| difference.to_string());
            }
            Outcome::Skipped(_) => {}
            _ => assert!(!expected, "{report}"),
        }
    }
    words.expect("there is one")
}

#[test]
fn what_is_printed_is_compared() {
    assert_eq!(
        difference("(call $print (i32.const 1) (local.get $more))"),
        "line 2 of standard output is `0 blocks`, and `1 blocks` in the reference"
    );
    assert_eq!(
        difference("(call $print (i32.const 2) (local.get $more))"),
        "line 2 of standard error is `0 blocks`, and `1 blocks` in the reference"
    );
}

/// The module asks for a clock as well, and no difference that depends on memory alone comes from
/// that.
#[test]
fn what_can_explain_a_difference_is_read_in_the_module() {
    let desk = Desk::with_block();
    let print_more = "(call $print (i32.const 1) (local.get $more))";
    desk.write("module", wasi_module(print_more));
    let verify = |more: &str| {
        let output = desk.steadfast(&format!("verify module --input block --quick {more}"));
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (_, causes) = verify("")
        .split_once("`steadfast check` finds what can explain it:\n")
        .map(|(table, causes)| (table.to_string(), causes.to_string()))
        .expect("there are causes");
    assert!(causes.contains("[no-plan]"), "{causes}");
    assert!(!causes.contains("[clock]"), "{causes}");
    let told: serde_json::Value = serde_json::from_str(&verify("--json")).unwrap();
    assert_eq!(told["verdict"], "different");
    assert!(told["causes"][0]["id"].is_string(), "{told}");
}

#[test]
fn the_functions_called_are_compared() {
    assert_eq!(
        difference(
            "(drop (call $sched_yield))
            (if (local.get $more)
                (then (drop (call $clock_res_get (i32.const 0) (i32.const 80))))
                (else (drop (call $sched_yield))))"
        ),
        "import call 1 is sched_yield, and clock_res_get in the reference"
    );
}

#[test]
fn what_the_host_may_do_as_it_likes_is_not() {
    let report = report(
        "(call $print (i32.const 1) (i32.const 5))
        (if (local.get $more)
            (then (drop (call $environ_sizes_get (i32.const 80) (i32.const 84)))))",
    );
    assert_eq!(report.verdict(), Verdict::Deterministic, "{report}");
    let same = |outcome: &Outcome| matches!(outcome, Outcome::Same { .. });
    let runs = report.rows.iter().filter(|row| same(&row.outcome)).count();
    assert!(runs > 10, "{report}");
}

/// Every way to change a directory that preview 1 has, tried on the one with the input, also to
/// climb out of it: how many of them succeeded is what the module stores.
const VANDAL: &str = r#"
    (import "wasi_snapshot_preview1" "path_symlink"
        (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_create_directory"
        (func $create_directory (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open"
        (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_link"
        (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_rename"
        (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_filestat_set_times"
        (func $set_times (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_unlink_file"
        (func $unlink (param i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (global $done (mut i32) (i32.const 0))
    (data (i32.const 16) "block")
    (data (i32.const 32) "e0")
    (data (i32.const 48) ".")
    (data (i32.const 64) "e0/..")
    (data (i32.const 80) "../out")
    (data (i32.const 1024) "\09\00\00\00\0a\01v\0a\04????")
    (func $count (param $errno i32)
        (global.set $done (i32.add (global.get $done) (i32.eqz (local.get $errno)))))
    (func $create (param $at i32) (param $len i32) (result i32)
        (call $open (i32.const 3) (i32.const 1) (local.get $at) (local.get $len) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 200)))
    (func (export "_start")
        (call $count (call $symlink (i32.const 48) (i32.const 1) (i32.const 3) (i32.const 32) (i32.const 2)))
        (call $count (call $symlink (i32.const 64) (i32.const 5) (i32.const 3) (i32.const 33) (i32.const 1)))
        (call $count (call $create (i32.const 32) (i32.const 2)))
        (call $count (call $create (i32.const 80) (i32.const 6)))
        (call $count (call $create_directory (i32.const 3) (i32.const 33) (i32.const 1)))
        (call $count (call $link (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 5) (i32.const 3) (i32.const 32) (i32.const 2)))
        (call $count (call $rename (i32.const 3) (i32.const 16) (i32.const 5) (i32.const 3) (i32.const 32) (i32.const 2)))
        (call $count (call $set_times (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 5) (i64.const 0) (i64.const 0) (i32.const 5)))
        (call $count (call $open (i32.const 3) (i32.const 1) (i32.const 16) (i32.const 5) (i32.const 8)
            (i64.const 66) (i64.const 0) (i32.const 0) (i32.const 200)))
        (call $count (call $unlink (i32.const 3) (i32.const 16) (i32.const 5)))
        (i32.store (i32.const 1033) (global.get $done))
        (call $flush (i32.const 1028)))
"#;

#[test]
fn a_module_changes_nothing_in_the_directory_that_it_is_given() {
    let subject = Subject::new(&module(VANDAL)).unwrap();
    let mut ran = Vec::new();
    for (name, engine) in engines(&subject) {
        match engine {
            Ok(mut engine) => {
                let state = MemoryState::default();
                let seen = engine.run(&Scenario::reference(), &any_input(), &state, None);
                let done = &seen.unwrap().writes[0].1;
                assert_eq!(done[..], [0; 4], "{name}: so many changes were made");
                ran.push(name);
            }
            // Neither Node's own WASI nor a browser's lack of one.
            Err(reason) => assert!(reason.contains("WASI"), "{name}: {reason}"),
        }
    }
    assert!(ran.iter().any(|name| name.contains("wasmi")), "{ran:?}");
    assert!(!ran.iter().any(|name| name.contains("V8")), "{ran:?}");
}

/// A module that flushes a message of its own, made of what `code` puts on the stack.
fn storing(items: &str, code: &str) -> Vec<u8> {
    module_that_writes(r#"(memory (export "memory") 1)"#, items, code)
}

/// What a report says of the differences, beside the table.
fn verdict(report: &VerifyReport) -> String {
    let text = report.to_string();
    let at = text.find("NOT deterministic").expect("not deterministic");
    text[at..].to_string()
}

fn rows<'a>(report: &'a VerifyReport, words: &'a str) -> impl Iterator<Item = &'a Row> {
    assert!(
        report.rows.iter().any(|row| row.scenario == words),
        "{report}"
    );
    report.rows.iter().filter(move |row| row.scenario == words)
}

#[test]
fn three_blocks_are_run_where_there_is_one() {
    // Stores the height, in a state that does not forget.
    let module = module(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 1024) "\0f\00\00\00\0a\04????\0a\01v\0a\01k\0a\01w")
        (func (export "_start")
            (call $load_input (i32.const 64))
            (i32.store (i32.const 1030) (i32.load (i32.const 64)))
            (call $flush (i32.const 1028)))
        "#,
    );
    let expected = |heights: &[u32]| {
        let mut state = MemoryState::default();
        for height in heights {
            let pairs = [
                (height.to_le_bytes().to_vec(), b"v".to_vec()),
                (b"k".to_vec(), b"w".to_vec()),
            ];
            state.apply(&pairs).unwrap();
        }
        state_digest(&state).unwrap()
    };
    let at = |height| Input::new(height, b"");
    for (inputs, heights) in [
        (vec![at(7)], vec![7, 8, 9]),
        (vec![at(7), at(3)], vec![7, 3, 4]),
        (vec![at(1), at(2), at(3), at(4)], vec![1, 2, 3, 4]),
    ] {
        let report = verify(&module, &inputs, &QUICK, |_, _, _, _| ()).unwrap();
        assert_eq!(report.verdict(), Verdict::Deterministic, "{report}");
        assert_eq!(report.state, expected(&heights), "{heights:?}");
    }
}

#[test]
fn a_block_that_fails_the_second_time_is_run_alone() {
    let module = storing(
        "",
        r#"(i32.store8 (i32.const 16) (i32.const 118))
        (i32.store (i32.const 12) (i32.const 1))
        (if (call $get_len (i32.const 16)) (then (unreachable)))
        (global.set $value (i32.const 5))"#,
    );
    let report = quick(&module);
    // No run began warm: that is no verdict.
    assert_eq!(report.verdict(), Verdict::Incomplete, "{report}");
    let told = report.to_string();
    let reason = "a second time, the block fails: the guest trapped";
    let remedy = "give `--input` two blocks or more";
    assert!(told.contains(reason) && told.contains(remedy), "{told}");
}

#[test]
fn a_static_that_counts_blocks_is_found_by_one_instance_for_all() {
    let count = r#"
        (global.set $blocks (i32.add (global.get $blocks) (i32.const 1)))
        (global.set $value (global.get $blocks))"#;
    let blocks = "(global $blocks (mut i32) (i32.const 0))";
    let report = quick(&storing(blocks, count));
    let found = report.differences();
    assert_eq!(found.len(), 1, "{report}");
    assert_eq!((found[0].0, found[0].1), (Kind::State, 1), "{report}");
    assert!(
        verdict(&report).contains("look at a static or a thread-local"),
        "{report}"
    );
    // A module may ask for what metashrew gives it.
    let asks = format!(r#"{blocks} (func (export "steadfast_fresh_instances"))"#);
    let report = quick(&storing(&asks, count));
    assert_eq!(report.verdict(), Verdict::Deterministic, "{report}");
    let kept = rows(&report, "one instance for all blocks").next().unwrap();
    assert!(matches!(&kept.outcome, Outcome::Skipped(_)), "{report}");
    // One that stops stores nothing else.
    let stops = format!(
        "{count} (if (i32.gt_u (global.get $blocks) (i32.const 1)) (then (unreachable)))
        (global.set $value (i32.const 1))"
    );
    let report = quick(&storing(blocks, &stops));
    assert_eq!(report.verdict(), Verdict::Deterministic, "{report}");
    let kept = rows(&report, "one instance for all blocks").next().unwrap();
    assert!(
        matches!(&kept.outcome, Outcome::StopsWhenKept(_)),
        "{report}"
    );
}

/// Each alone changes nothing: an instance that is kept, and the first growth refused.
#[test]
fn a_refusal_that_tells_only_in_an_instance_that_is_kept_is_found_by_all_combinations() {
    let module = storing(
        "(global $blocks (mut i32) (i32.const 0)) (global $refused (mut i32) (i32.const 0))",
        r#"
        (if (global.get $blocks)
            (then (global.set $value (global.get $refused)))
            (else (global.set $refused
                (i32.eq (memory.grow (i32.const 1)) (i32.const -1)))))
        (global.set $blocks (i32.const 1))"#,
    );
    let report = quick(&module);
    assert_eq!(report.verdict(), Verdict::Deterministic, "{report}");
    // Under a low ceiling few others are left to cross.
    let full = VerifyConfig {
        extent: Extent::Full,
        ceiling: 64 << 20,
        ..QUICK
    };
    let report = verify(&module, &[any_input()], &full, |_, _, _, _| ()).unwrap();
    assert_eq!(report.verdict(), Verdict::Different, "{report}");
    for row in &report.rows {
        let both = ["memory.grow 1 refused", "one instance"];
        let has_both = both.iter().all(|words| row.scenario.contains(words));
        let differs = matches!(row.outcome, Outcome::Different { .. });
        assert!(has_both || !differs, "{report}");
    }
    // The stack and the engines that keep no instances are crossed too.
    let together = |words: [&str; 2]| {
        let mut rows = report.rows.iter();
        rows.any(|row| words.iter().all(|words| row.scenario.contains(words)))
    };
    assert!(
        together(["stack of 256 KiB", "memory.grow 1 refused"]),
        "{report}"
    );
    assert!(together(["stack of 256 KiB", "grown to"]), "{report}");
    let other = |row: &Row| row.engine.contains("Pulley") && row.scenario.contains("refused");
    assert!(report.rows.iter().any(other), "{report}");
}

/// A function that calls itself as often as its argument says.
const RECURSION: &str = r#"
    (func $nest (param $depth i32) (result i32)
        (if (result i32) (local.get $depth)
            (then (i32.add
                (i32.rotl (call $nest (i32.sub (local.get $depth) (i32.const 1))) (i32.const 3))
                (local.get $depth)))
            (else (i32.const 1))))"#;

#[test]
fn the_depth_of_calls_is_told_as_stack() {
    let deep = storing(
        RECURSION,
        "(global.set $value (call $nest (i32.const 5000)))",
    );
    let report = quick(&deep);
    let found = report.differences();
    assert_eq!(found.len(), 1, "{report}");
    assert_eq!(found[0].0, Kind::Stack, "{report}");
    let told = verdict(&report);
    assert!(
        told.contains("another depth of calls") && !told.contains("memory"),
        "{told}"
    );
    assert!(told.contains("look at recursion"), "{told}");
    let shallow = storing(
        RECURSION,
        "(global.set $value (call $nest (i32.const 200)))",
    );
    let report = quick(&shallow);
    assert_eq!(report.verdict(), Verdict::Deterministic, "{report}");
    assert!(rows(&report, "stack of 256 KiB").count() >= 2, "{report}");
}

/// A module that has grown memory to 1 GiB, or 16 MiB if that is refused, and flushes one of two
/// messages.
fn by_growth(granted: &str, refused: &str) -> Vec<u8> {
    module(&format!(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 1024) "{granted}")
        (data (i32.const 2048) "{refused}")
        (func (export "_start")
            (call $flush (if (result i32)
                (i32.eq (memory.grow (i32.const 16383)) (i32.const -1))
                (then (i32.const 2052))
                (else (i32.const 1028)))))
        "#
    ))
}

/// Pairs of one byte each, as a flush has them behind its length.
fn message(pairs: &[(char, char)]) -> String {
    let pairs: String = pairs
        .iter()
        .map(|(key, value)| format!("\\0a\\01{key}\\0a\\01{value}"))
        .collect();
    let length = pairs.matches("\\0a").count() * 3;
    format!("\\{length:02x}\\00\\00\\00{pairs}")
}

#[test]
fn the_verdict_tells_another_state_from_the_same_written_otherwise() {
    let reference = [('a', '1'), ('b', '2')];
    for (other, kind, words) in [
        (
            vec![('a', '1'), ('b', '3')],
            Kind::State,
            "another final state",
        ),
        (vec![('a', '1')], Kind::State, "another final state"),
        (
            vec![('b', '2'), ('a', '1')],
            Kind::Order,
            "written in another order",
        ),
        (
            vec![('a', '9'), ('b', '2'), ('a', '1')],
            Kind::Order,
            "or with repeats",
        ),
    ] {
        let report = quick(&by_growth(&message(&reference), &message(&other)));
        let found = report.differences();
        assert_eq!(found.len(), 1, "{report}");
        assert_eq!(found[0].0, kind, "{report}");
        let told = verdict(&report);
        assert!(told.contains(words), "{told}");
        assert_eq!(
            told.contains("HashMap draws its seed"),
            kind == Kind::Order,
            "{told}"
        );
        assert!(
            told.contains("look at what becomes of a try_reserve"),
            "{told}"
        );
    }
}

/// Of a module that was built with another version of steadfast no cache is kept, so none is warm.
#[test]
fn no_row_tells_of_warm_caches_where_the_region_has_another_format() {
    let at = 1_u32 << 15;
    let with_format = |format: u32| {
        let mut region = REGION.to_vec();
        region[8..12].copy_from_slice(&format.to_le_bytes());
        let fields = [
            (offset_of!(InstanceInfo, region_start), at),
            (offset_of!(InstanceInfo, region_len), region.len() as u32),
        ];
        let items = format!(
            r#"{} (data (i32.const {at}) "{}")"#,
            info_items(&fields),
            escaped(&region)
        );
        quick(&storing(&items, ""))
    };
    let warm = |report: &VerifyReport| -> Vec<Outcome> {
        let rows = report.rows.iter();
        let warm = rows.filter(|row| row.scenario.contains("warm"));
        warm.map(|row| row.outcome.clone()).collect()
    };
    let report = with_format(FORMAT_VERSION - 1);
    assert_eq!(report.verdict(), Verdict::Deterministic, "{report}");
    match &warm(&report)[..] {
        [Outcome::Skipped(reason)] => assert!(
            reason.contains(&format!("format version {}", FORMAT_VERSION - 1)),
            "{reason}"
        ),
        _ => panic!("{report}"),
    }
    assert!(rows(&report, "cache off").count() > 0, "{report}");
    assert!(warm(&with_format(FORMAT_VERSION)).len() > 1);
}

#[test]
fn engines_that_commit_memory_are_given_little() {
    let grows = storing("", "(drop (memory.grow (i32.const 65535)))");
    let desk = Desk::with_block();
    desk.write("module", grows);
    let peak = |more: &str| {
        let mut child = desk
            .command(&format!("verify module --input block --quick {more}"))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            peak = peak.max(peak_kib(child.id()));
            sleep(Duration::from_millis(2));
        }
        assert!(child.wait().unwrap().success());
        peak
    };
    assert!(peak("") < 1_400_000);
    assert!(peak("--ceiling 128MiB") < 600_000);
}

/// The most memory that a process has had resident so far; 0 where that cannot be known.
fn peak_kib(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    kib.unwrap_or(0)
}
