//! What a module does through WASI is compared, in whatever memory it is.

use crate::guests::*;
use steadfast_host::Input;
use steadfast_host::verify::{Extent, Outcome, Verdict, VerifyReport, verify};

/// A module that stores the same on every host. `$more` is 1 where memory could be grown to 1 GiB, and otherwise 0.
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

fn report(code: &str) -> VerifyReport {
    let input = Input::new(7, b"block");
    verify(&wasi_module(code), &[input], Extent::Quick, |_, _, _, _| ()).unwrap()
}

/// The words for the first difference, which is expected under each ceiling below 1 GiB, on every engine that runs it.
fn difference(code: &str) -> String {
    let report = report(code);
    assert_eq!(report.verdict(), Verdict::Different, "{report}");
    let mut words = None;
    for row in &report.rows {
        let refuses = [
            "512 MiB",
            "256 MiB",
            "128 MiB",
            "grown to 4 GiB before",
            "memory.grow 1 refused",
        ];
        let expected = refuses.contains(&&*row.scenario);
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
