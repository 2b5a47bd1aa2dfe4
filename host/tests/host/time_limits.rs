//! Guests that never end are stopped: by every engine, in blocks, views, start functions and waits.

use std::process::Stdio;
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::desk::{Desk, said};
use crate::guests::*;
use steadfast_host::verify::{Extent, Outcome, Scenario, Subject, VerifyConfig, engines, verify};
use steadfast_host::{MemoryState, RunConfig, RunError, Runner};

fn brief() -> RunConfig {
    RunConfig {
        timeout: Some(Duration::from_millis(200)),
        ..quiet()
    }
}

#[test]
fn a_block_a_view_and_a_start_function_that_loop_are_stopped() {
    let view_that_loops = with_view(FLUSH, &format!("{FOREVER} unreachable"));
    let error = soon(|| fails(&with_view(FOREVER, "unreachable"), brief()));
    assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("stopped after 0.2 s"), "{error}");

    let runner = Runner::new(&view_that_loops, brief());
    let state = MemoryState::default();
    let mut view = runner
        .unwrap()
        .open_view(&any_input(), &state, None)
        .unwrap();
    let error = soon(|| view.call("ask")).unwrap_err();
    assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
    view.limit_time(Some(Duration::from_millis(20)));
    let error = soon(|| view.call("ask")).unwrap_err();
    assert!(
        error.to_string().contains("stopped after 0.02 s"),
        "{error}"
    );

    let start = module(
        r#"(memory (export "memory") 1) (func $begin (loop $more (br $more))) (start $begin)
        (func (export "_start"))"#,
    );
    let runner = Runner::new(&start, brief()).unwrap();
    let started = soon(|| runner.start(&any_input(), &state));
    assert!(matches!(started, Err(RunError::TimedOut { .. })));
}

/// Each block has its own time, in an instance that is kept too; and what is in time goes on.
#[test]
fn time_begins_anew_with_each_block() {
    let wait = "(local $n i32) (loop $more (br_if $more (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000000))))";
    let config = RunConfig {
        timeout: Some(Duration::from_secs(20)),
        ..quiet()
    };
    let runner = Runner::new(
        &with_view(&format!("{wait} {FLUSH}"), "unreachable"),
        config,
    )
    .unwrap();
    let mut state = MemoryState::default();
    let mut kept = runner.start(&any_input(), &state).unwrap();
    for _ in 0..3 {
        kept = kept.next(&any_input(), &mut state).unwrap();
        assert!(kept.outcome().is_ok());
    }
}

#[test]
fn fuel_can_be_limited() {
    let config = RunConfig {
        fuel_limit: Some(1_000_000),
        ..quiet()
    };
    let error = soon(|| fails(&with_view(FOREVER, "unreachable"), config.clone()));
    assert!(
        matches!(
            error,
            RunError::OutOfFuel {
                fuel: 1_000_000,
                ..
            }
        ),
        "{error}"
    );
    let finished = ran(&with_view(FLUSH, "unreachable"), config);
    let fuel = finished.report().fuel.unwrap();
    assert!((1..100).contains(&fuel), "{fuel}");
}

/// A module that waits in a function of WASI.
fn waits(nanoseconds: u64) -> Vec<u8> {
    module(&format!(
        r#"
        (import "wasi_snapshot_preview1" "poll_oneoff"
            (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "\04\00\00\00\0a\00\0a\00")
        (func (export "_start")
            (i64.store (i32.const 1048) (i64.const {nanoseconds}))
            (if (call $poll (i32.const 1024) (i32.const 2048) (i32.const 1) (i32.const 4096))
                (then unreachable))
            {FLUSH})
        "#
    ))
}

#[test]
fn waiting_in_wasi_is_stopped_too() {
    let error = soon(|| fails(&waits(1 << 62), brief()));
    assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
    assert!(ran(&waits(1_000_000), quiet()).outcome().is_ok());
}

#[test]
fn the_command_has_a_time_limit() {
    let desk = Desk::with_block();
    let loops = with_view(FOREVER, &format!("{FOREVER} unreachable"));
    desk.write("loop.wasm", loops);
    for command in [
        "run loop.wasm --input block",
        "map loop.wasm --input block",
        "verify loop.wasm --input block",
        "view loop.wasm --view ask --height 1",
    ] {
        let output = soon(|| desk.steadfast(&format!("{command} --timeout 0.3")));
        let told = said(&output);
        assert!(!output.status.success(), "{command}");
        assert!(
            told.contains("the guest was stopped after 0.3 s"),
            "{command}: {told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

/// A module that loops where memory is short: that is a line in the table, on every engine that is
/// here.
#[test]
fn verify_goes_on_after_a_run_that_loops() {
    let loops = module(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 16) "\04\00\00\00\0a\00\0a\00")
        (func (export "_start")
            (if (i32.eq (memory.grow (i32.const 16383)) (i32.const -1))
                (then (loop $more (br $more))))
            (call $flush (i32.const 20)))
        "#,
    );
    let config = VerifyConfig {
        extent: Extent::Quick,
        timeout: Duration::from_secs(1),
        ..VerifyConfig::default()
    };
    let begin = Instant::now();
    let report = verify(&loops, &[any_input()], &config, |_, _, _, _| ()).unwrap();
    // Of some sixty runs, four that take too long are tried.
    assert!(begin.elapsed() < Duration::from_secs(300));
    let stopped = report.rows.iter().filter(|row| {
        matches!(&row.outcome, Outcome::CouldNotRun(reason) if reason.contains("stopped after 1 s"))
    });
    assert!(stopped.count() >= 3, "{report}");
}

/// Checks that each engine that can run a module stops it after a second. Answers how many did.
fn stopped_by_engines(module: &[u8]) -> usize {
    let subject = Subject::new(module).unwrap();
    let mut scenario = Scenario::reference();
    scenario.timeout = Duration::from_secs(1);
    let mut tried = 0;
    for (name, engine) in engines(&subject) {
        let Ok(mut engine) = engine else { continue };
        let state = MemoryState::default();
        let told = soon(|| engine.run(&scenario, &any_input(), &state, None)).unwrap_err();
        assert!(
            told.to_string().contains("stopped after 1 s"),
            "{name}: {told}"
        );
        tried += 1;
    }
    tried
}

/// Each engine stops a loop by itself.
#[test]
fn every_engine_stops_a_loop() {
    let tried = stopped_by_engines(&with_view(FOREVER, "unreachable"));
    assert!(tried >= 4, "{tried} engines");
}

/// A wait in a function of WASI is no difference between engines either.
#[test]
fn every_engine_stops_a_wait() {
    let tried = stopped_by_engines(&waits(1 << 62));
    assert!(tried > 0, "no engine ran it");
}

/// Node and its page end with the process that started them, however that ends.
#[cfg(target_os = "linux")]
#[test]
fn child_processes_end_with_their_parent() {
    let desk = Desk::with_block();
    // Only Node and browsers are slow: wasmtime's own engines finish at once.
    let module = module(&format!(
        r#"(memory (export "memory") 1) (data (i32.const 16) "\04\00\00\00\0a\00\0a\00")
        (func (export "_start") {FLUSH})"#
    ));
    desk.write("quick.wasm", module);
    let mut parent = desk
        .command("verify quick.wasm --input block")
        .env("TMPDIR", desk.folder())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let place = desk.folder().to_str().unwrap().to_string();
    let children = || {
        let all = fs::read_dir("/proc").unwrap().flatten();
        let of_ours = all.filter(|process| {
            let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            line.contains(&place) && !line.contains("quick.wasm")
        });
        of_ours.count()
    };
    let wait = |until: &dyn Fn() -> bool| {
        (0..1200).any(|_| {
            thread::sleep(Duration::from_millis(50));
            until()
        })
    };
    let came = wait(&|| children() > 0);
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(came, "neither Node nor a browser is here");
    assert!(wait(&|| children() == 0), "{} are left", children());
}
