//! What a stranger's module, image or file does to the host: nothing that lasts, and one line that
//! says why it was stopped.

use std::fs;
use std::io::Write as _;
use std::mem::offset_of;
use std::process::{Command, Stdio};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use crate::guests::*;
use steadfast::format::{InstanceInfo, Reservation};
use steadfast_host::verify::{Extent, Outcome, VerifyConfig, verify};
use steadfast_host::{
    Bound, Bounds, Finished, LoadError, MemoryState, OnRefusal, Outline, RunConfig, RunError,
    Runner, SharedImage,
};

/// A module whose `_start` runs some code, with a view that runs some other.
fn with_view(start: &str, view: &str) -> Vec<u8> {
    module(&format!(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 16) "\04\00\00\00\0a\00\0a\00")
        (func (export "_start") {start})
        (func (export "ask") (result i32) {view})
        "#
    ))
}

const FLUSH: &str = "(call $flush (i32.const 20))";
const FOREVER: &str = "(loop $more (br $more))";

fn ran(module: &[u8], config: RunConfig) -> Finished {
    let runner = Runner::new(module, config).unwrap();
    runner.start(&any_input(), &MemoryState::default()).unwrap()
}

fn fails(module: &[u8], config: RunConfig) -> RunError {
    match ran(module, config).succeeded() {
        Err(error) => error,
        Ok(_) => panic!("it succeeds"),
    }
}

fn brief() -> RunConfig {
    RunConfig {
        timeout: Some(Duration::from_millis(200)),
        ..quiet()
    }
}

/// Checks that something takes less than some seconds.
fn soon<R>(work: impl FnOnce() -> R) -> R {
    let begin = Instant::now();
    let result = work();
    assert!(
        begin.elapsed() < Duration::from_secs(120),
        "{:?}",
        begin.elapsed()
    );
    result
}

#[test]
fn a_block_a_view_and_a_start_function_that_loop_are_stopped() {
    let error = soon(|| fails(&with_view(FOREVER, "unreachable"), brief()));
    assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
    assert!(error.to_string().contains("stopped after 0.2 s"), "{error}");

    let runner = Runner::new(
        &with_view(FLUSH, "(loop $more (br $more)) unreachable"),
        brief(),
    );
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

#[test]
fn waiting_in_wasi_is_stopped_too() {
    let sleeps = |nanoseconds: u64| {
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
    };
    let error = soon(|| fails(&sleeps(1 << 62), brief()));
    assert!(matches!(error, RunError::TimedOut { .. }), "{error}");
    assert!(ran(&sleeps(1_000_000), quiet()).outcome().is_ok());
}

#[test]
fn the_command_has_a_time_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    fs::write(
        path("loop.wasm"),
        with_view(FOREVER, "(loop $more (br $more)) unreachable"),
    )
    .unwrap();
    fs::write(path("block"), small_block(1)).unwrap();
    let (module, block) = (path("loop.wasm"), path("block"));
    let input = ["--input", &block, "--timeout", "0.3"];
    for arguments in [
        ["run", &module].as_slice(),
        &["map", &module],
        &["verify", &module],
    ] {
        let output = soon(|| steadfast(&[arguments, &input].concat()));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(
            told.contains("the guest was stopped after 0.3 s"),
            "{arguments:?}: {told}"
        );
        assert_eq!(told.lines().count(), 1, "{told}");
    }
    let view = ["view", &module, "--view", "ask", "--timeout", "0.3"];
    let output = soon(|| steadfast(&view));
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped after 0.3 s"));
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

/// Each engine stops a loop by itself.
#[test]
fn every_engine_stops_a_loop() {
    let tried = stopped_by_engines(&with_view(FOREVER, "unreachable"));
    assert!(tried >= 4, "{tried} engines");
}

/// Checks that each engine that can run a module stops it after a second. Answers how many did.
fn stopped_by_engines(module: &[u8]) -> usize {
    use steadfast_host::verify::{Scenario, Subject, engines};
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

/// A wait in a function of WASI is no difference between engines either.
#[test]
fn every_engine_stops_a_wait() {
    let waits = r#"(module
        (import "wasi_snapshot_preview1" "poll_oneoff"
            (func $poll (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 24) "\ff\ff\ff\ff\ff\ff\ff\7f")
        (func (export "_start")
            (drop (call $poll (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 128)))))"#;
    let tried = stopped_by_engines(&wat::parse_str(waits).unwrap());
    assert!(tried > 0, "no engine ran it");
}

/// Node and its page end with the process that started them, however that ends.
#[cfg(target_os = "linux")]
#[test]
fn child_processes_end_with_their_parent() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    // Only Node and browsers are slow: wasmtime's own engines finish at once.
    let module = module(&format!(
        r#"(memory (export "memory") 1) (data (i32.const 16) "\04\00\00\00\0a\00\0a\00")
        (func (export "_start") {FLUSH})"#
    ));
    fs::write(path("quick.wasm"), module).unwrap();
    fs::write(path("block"), small_block(1)).unwrap();
    let mut parent = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .args(["verify", &path("quick.wasm"), "--input", &path("block")])
        .env("TMPDIR", directory.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let place = directory.path().to_str().unwrap().to_string();
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

fn exceeds(error: &RunError, bound: Bound) {
    let told = error.to_string();
    assert!(told.contains(bound.name()), "{told}");
}

#[test]
fn flushes_are_bounded_in_pairs_and_in_bytes() {
    // Half a page of empty pairs, over and over.
    let code = |times: u32| {
        format!(
            r#"(local $at i32) (local $n i32)
            (loop $fill
                (i32.store (i32.add (i32.const 1028) (local.get $at)) (i32.const 0x000a000a))
                (br_if $fill (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4))) (i32.const 32768))))
            (i32.store (i32.const 1024) (i32.const 32768))
            (loop $more
                (call $flush (i32.const 1028))
                (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {times}))))"#
        )
    };
    let pairs = |most| RunConfig {
        bounds: Bounds::default().with(Bound::FlushPairs, most),
        ..quiet()
    };
    let eight_thousand = with_view(&code(1), "unreachable");
    assert_eq!(
        ran(&eight_thousand, pairs(8192))
            .outcome()
            .as_ref()
            .unwrap()
            .len(),
        8192
    );
    exceeds(&fails(&eight_thousand, pairs(8191)), Bound::FlushPairs);
    exceeds(
        &soon(|| fails(&with_view(&code(1 << 30), "unreachable"), quiet())),
        Bound::FlushPairs,
    );
    let bytes = RunConfig {
        bounds: Bounds::default().with(Bound::FlushBytes, 3 * 32768),
        ..quiet()
    };
    assert!(
        ran(&with_view(&code(3), "unreachable"), bytes.clone())
            .outcome()
            .is_ok()
    );
    exceeds(
        &fails(&with_view(&code(4), "unreachable"), bytes),
        Bound::FlushBytes,
    );
}

#[test]
fn calls_logs_and_answers_are_bounded() {
    let calls = format!(
        "(local $n i32) (loop $more (drop (call $host_len)) (br_if $more (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))) {FLUSH}"
    );
    let calls = with_view(&calls, "unreachable");
    let most = |bound, most| RunConfig {
        bounds: Bounds::default().with(bound, most),
        ..quiet()
    };
    assert_eq!(ran(&calls, most(Bound::Calls, 1001)).calls().len(), 1001);
    exceeds(&fails(&calls, most(Bound::Calls, 1000)), Bound::Calls);

    let logs = format!(
        "(local $n i32) (i32.store8 (i32.const 20) (i32.const 10)) (loop $more (call $log (i32.const 20)) (br_if $more (i32.lt_u
        (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000)))) {FLUSH}"
    );
    let finished = ran(
        &with_view(&logs, "unreachable"),
        most(Bound::OutputBytes, 100),
    );
    let output = &finished.report().output;
    assert!(
        output.len() < 1000 && output.contains("the rest is left out"),
        "{output}"
    );

    let answer = "(i32.store (i32.const 1024) (i32.const 60000)) (i32.const 1028)";
    let ask = |config| {
        let runner = Runner::new(&with_view(FLUSH, answer), config).unwrap();
        runner.view("ask", &any_input(), &MemoryState::default())
    };
    assert_eq!(ask(quiet()).unwrap().len(), 60_000);
    exceeds(
        &ask(most(Bound::AnswerBytes, 59_999)).unwrap_err(),
        Bound::AnswerBytes,
    );
}

#[test]
fn tables_are_bounded_together() {
    let tables = |count: usize, elements: u32| {
        let tables = format!("(table {elements} funcref)").repeat(count);
        module(&format!(
            r#"(memory (export "memory") 1) {tables} (func (export "_start"))"#
        ))
    };
    let start = |module: &[u8]| {
        let runner = Runner::new(module, quiet()).map_err(|error| error.to_string())?;
        let started = runner.start(&any_input(), &MemoryState::default());
        started.map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(start(&tables(4, 1 << 18)), Ok(()));
    for too_many in [tables(5, 1 << 18), tables(1, 4_000_000_000)] {
        let error = start(&too_many).unwrap_err();
        assert!(error.contains("`table-elements`"), "{error}");
    }
    assert!(start(&tables(17, 1)).unwrap_err().contains("tables"));
}

/// A function of many variables, each of which many branches change.
fn knotty(variables: usize, branches: usize, inner: &str) -> Vec<u8> {
    let locals = "(local i32)".repeat(variables);
    let code: String = (0..branches)
        .map(|at| inner.replace('$', &(at % variables).to_string()))
        .collect();
    module(&format!(
        r#"(memory (export "memory") 1) (func (export "_start") {locals} {code})"#
    ))
}

#[test]
fn what_would_take_a_compiler_long_is_refused_before() {
    let refused = |module: &[u8], bound: Bound| {
        let error = soon(|| Runner::new(module, quiet()).map(drop)).unwrap_err();
        assert!(
            matches!(error, LoadError::Bound(exceeded) if exceeded.bound == bound),
            "{error}"
        );
        assert!(error.to_string().contains(bound.name()), "{error}");
    };
    let block = "(block (br_if 0 (local.get $)) (local.set $ (i32.const 1)))";
    refused(&knotty(20_000, 15_000, block), Bound::Branching);
    let loops = format!(
        "{}{}",
        "(loop (local.set $ (i32.const 1)) ".repeat(300),
        ")".repeat(300)
    );
    refused(&knotty(1000, 10, &loops), Bound::Looping);
    refused(
        &knotty(1, 200_000, "(local.set $ (i32.const 1))"),
        Bound::FunctionBytes,
    );
    // Calls take a compiler most memory for their bytes.
    let calls = format!("(func {})", "(call $start)".repeat(200_000)).repeat(11);
    let declares = format!("(func {})", "(local i32)".repeat(40_000)).repeat(51);
    let grows = "(memory.grow)".repeat(63_000);
    let grows = format!("(func (drop (i32.const 0) {grows}))");
    for functions in [calls, declares, grows] {
        let module = module(&format!(
            r#"(memory (export "memory") 1) (func $start (export "_start")) {functions}"#
        ));
        refused(&module, Bound::Instructions);
    }
    let many = "(func)".repeat(65_536);
    let many = module(&format!(
        r#"(memory (export "memory") 1) (func (export "_start")) {many}"#
    ));
    refused(&many, Bound::Functions);
    let small = RunConfig {
        bounds: Bounds::default().with(Bound::ModuleBytes, 100),
        ..quiet()
    };
    let error = Runner::new(&counter(), small).map(drop).unwrap_err();
    assert!(error.to_string().contains("module-bytes"), "{error}");
}

#[test]
fn compiling_has_a_time_limit() {
    let config = RunConfig {
        bounds: Bounds::default().with(Bound::CompileSeconds, 0),
        ..quiet()
    };
    let block = "(block (br_if 0 (local.get $)) (local.set $ (i32.const 1)))";
    let error = soon(|| Runner::new(&knotty(200, 5000, block), config).map(drop)).unwrap_err();
    assert!(error.to_string().contains("compile-seconds"), "{error}");
}

/// A map of a plan reads the bytes, and compiles none: a body that no compiler would take is passed
/// over.
#[test]
fn what_is_looked_at_is_not_compiled() {
    let mut invalid = module(r#"(memory (export "memory") 1) (func (export "_start"))"#);
    // The last instruction of all, before the section with names, becomes one that there is not.
    let names = invalid.windows(5).position(|bytes| bytes == b"\x04name");
    let code = &invalid[..names.expect("functions have names")];
    let end = code.iter().rposition(|byte| *byte == 0x0b).unwrap();
    invalid[end] = 0xff;
    assert!(Runner::new(&invalid, quiet()).is_err());
    assert!(Outline::read(&invalid, &Bounds::default()).is_ok());
}

#[test]
fn a_small_stack_is_refused_and_a_deep_recursion_is_told() {
    let deep = module(
        r#"(memory (export "memory") 1) (func $deep (param i32) (result i32)
            (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))
        (func (export "_start") (drop (call $deep (i32.const 0))))"#,
    );
    let runner = Runner::new(&deep, quiet()).unwrap();
    // So many at once, since the system gives a thread the stack of one that has ended, which may
    // be larger.
    let run = |kib: usize, threads: usize| -> Vec<RunError> {
        let barrier = Arc::new(Barrier::new(threads));
        let start = || {
            let (runner, barrier) = (runner.clone(), Arc::clone(&barrier));
            let thread = thread::Builder::new().stack_size(kib << 10);
            let run = move || {
                barrier.wait();
                match runner.start(&any_input(), &MemoryState::default()) {
                    Ok(finished) => finished.succeeded().map(drop),
                    Err(error) => Err(error),
                }
            };
            thread.spawn(run).unwrap()
        };
        let threads: Vec<_> = (0..threads).map(|_| start()).collect();
        let ended = threads.into_iter().map(|thread| thread.join().unwrap());
        ended.map(Result::unwrap_err).collect()
    };
    let small = run(512, 64);
    let refused = |error: &&RunError| matches!(error, RunError::ThreadStack { .. });
    assert!(small.iter().filter(refused).count() >= 20);
    assert!(
        small
            .iter()
            .all(|error| refused(&error) || error.is_stack_exhausted())
    );
    assert!(run(1024, 4).iter().all(RunError::is_stack_exhausted));
}

#[test]
fn instance_info_that_lies_is_not_believed() {
    let lies = |state: Reservation, have: u32, need: u32| {
        let info = info_items(&[
            (offset_of!(InstanceInfo, state), state as u32),
            (offset_of!(InstanceInfo, refused_have_pages), have),
            (offset_of!(InstanceInfo, refused_need), need),
        ]);
        module(&format!(
            r#"(memory (export "memory") 1) {info} (func (export "_start") unreachable)"#
        ))
    };
    for (state, have, need) in [
        (Reservation::BudgetRefused, 1, 16_384),
        (Reservation::ForeignGrowth, 1, 7),
        (Reservation::ForeignPages, 0, 1 << 30),
        (Reservation::StaticDataTooLarge, 0, 1 << 30),
    ] {
        let error = fails(&lies(state, have, need), quiet());
        assert!(matches!(error, RunError::Trap { .. }), "{error}");
        let told = error.to_string();
        assert!(
            told.contains("what its instance info says of the host is not so"),
            "{told}"
        );
    }
    // The same words are believed where the host has refused a growth.
    let info = info_items(&[
        (
            offset_of!(InstanceInfo, state),
            Reservation::BudgetRefused as u32,
        ),
        (offset_of!(InstanceInfo, refused_have_pages), 1),
        (offset_of!(InstanceInfo, refused_need), 16_384),
    ]);
    let honest = module(&format!(
        r#"(memory (export "memory") 1) {info}
        (func (export "_start") (drop (memory.grow (i32.const 16383))) unreachable)"#
    ));
    let config = RunConfig {
        ceiling: 1 << 20,
        on_refusal: OnRefusal::ReturnMinusOne,
        ..quiet()
    };
    let error = fails(&honest, config);
    assert!(matches!(error, RunError::BudgetRefused { .. }), "{error}");
}

#[test]
fn names_of_a_module_are_shown_plain_and_cut() {
    let escape = "\\1b]0;owned\\07\\1b[2J\\e2\\80\\ae";
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    fs::write(path("block"), small_block(1)).unwrap();
    let long = "n".repeat(5000);
    let modules = [
        format!(
            r#"(module (import "env" "{escape}" (func)) (memory (export "memory") 1) (func (export "_start")))"#
        ),
        format!(
            r#"(module (import "{escape}{long}" "x" (func)) (memory (export "memory") 1) (func (export "_start")))"#
        ),
        r#"(module (memory (export "memory") 1) (func $f (export "_start") unreachable) (@custom "name" "\01\09\01\00\06\1b[2J\0a\0d"))"#.to_string(),
        format!(
            r#"(module (memory (export "memory") 1) (func (export "{escape}")) (func (export "{escape}")))"#
        ),
    ];
    for (number, text) in modules.iter().enumerate() {
        let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
        let name = path(&format!("m\u{1b}[31m{number}.wasm"));
        fs::write(&name, module).unwrap();
        for command in ["run", "verify", "map", "stats"] {
            let output = steadfast(&[command, &name, "--input", &path("block")]);
            let told = [&output.stdout[..], &output.stderr].concat();
            let told = String::from_utf8(told).unwrap();
            assert!(!output.status.success(), "{told}");
            let steers = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
            assert!(!told.contains(steers), "{command} {number}: {told:?}");
            assert!(
                told.len() < 2500,
                "{command} {number}: {} bytes",
                told.len()
            );
        }
    }
}

/// What a WASI module prints goes to the host's standard error: as lines, in which nothing steers
/// it.
#[test]
fn what_a_module_prints_is_shown_plain() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    fs::write(path("block"), small_block(1)).unwrap();
    let prints = module(&format!(
        r#"
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "\04\00\00\00\0a\00\0a\00")
        (data (i32.const 64) "a\1b[2J\nb\9b")
        (data (i32.const 128) "\40\00\00\00\08\00\00\00")
        (func (export "_start")
            (drop (call $fd_write (i32.const 1) (i32.const 128) (i32.const 1) (i32.const 144)))
            {FLUSH})
        "#
    ));
    fs::write(path("prints.wasm"), prints).unwrap();
    let output = steadfast(&["run", &path("prints.wasm"), "--input", &path("block")]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(told, "a\\u{1b}[2J\nb\u{fffd}\n");
}

/// A pipe that nobody writes to is given up, and one that somebody writes to is read.
#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for_for_ever() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let pipe = pipe.to_str().unwrap();
    let output = soon(|| steadfast(&["map", pipe, "--bound", "file-seconds=1"]));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("file-seconds"), "{told}");
    let module = counter();
    let writer = thread::spawn({
        let pipe = pipe.to_string();
        move || {
            fs::OpenOptions::new()
                .write(true)
                .open(pipe)
                .unwrap()
                .write_all(&module)
        }
    });
    let output = steadfast(&["map", pipe]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("the module has no plan"), "{told}");
    writer.join().unwrap().unwrap();
    let output = steadfast(&["map", "/dev/zero", "--bound", "module-bytes=100000"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("more than 100000 bytes of a module"),
        "{told}"
    );
}

/// Blocks from a pipe: somebody has to write each of them in time.
#[cfg(unix)]
#[test]
fn a_pipe_of_blocks_has_its_time_for_each_block() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let (pipe, module) = (path("pipe"), path("counter.wasm"));
    fs::write(&module, counter()).unwrap();
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let run = |seconds: u32| {
        let bound = format!("file-seconds={seconds}");
        let output = soon(|| {
            steadfast(&[
                "run",
                &module,
                "--input",
                &pipe,
                "--reindex",
                "--bound",
                &bound,
            ])
        });
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (succeeded, told) = run(1);
    assert!(
        !succeeded && told.contains("no whole block in 1 s"),
        "{told}"
    );
    // Two blocks, and the second comes later than the first has time.
    let line = hexadecimal(&small_block(1)) + "\n";
    let writes = |wait: Duration| {
        let (pipe, line) = (pipe.clone(), line.clone());
        thread::spawn(move || {
            let mut file = fs::OpenOptions::new().write(true).open(pipe).unwrap();
            file.write_all(line.as_bytes()).unwrap();
            thread::sleep(wait);
            // Where nobody waits any more, nobody reads.
            let _ = file.write_all(line.as_bytes());
        })
    };
    let writer = writes(Duration::from_secs(2));
    let (succeeded, told) = run(60);
    assert!(succeeded, "{told}");
    writer.join().unwrap();
    let writer = writes(Duration::from_secs(30));
    let (succeeded, told) = run(10);
    assert!(
        !succeeded && told.contains("no whole block in 10 s"),
        "{told}"
    );
    drop(writer);
}

#[test]
fn an_image_of_bytes_goes_to_the_plans_region_alone() {
    let plan = steadfast::Plan::DEFAULT.encode();
    let planned = wat::parse_str(format!(
        r#"(module (memory (export "memory") 1) (@custom "{}" "{}")
        (func (export "_start")) (func (export "ask") (result i32) (i32.const 1028)))"#,
        steadfast::Plan::SECTION,
        escaped(&plan)
    ));
    let runner = Runner::new(&planned.unwrap(), quiet()).unwrap();
    let base = steadfast::Plan::DEFAULT.region_base().get() as u32;
    let open = |address: u32| {
        let image = SharedImage::of_bytes(address, &[1; 65_536]).unwrap();
        runner
            .open_view(&any_input(), &MemoryState::default(), Some(&image))
            .map(drop)
    };
    assert!(open(base).is_ok());
    for address in [0, base - 65_536, base + 65_536] {
        let error = open(address).unwrap_err();
        assert!(
            error.to_string().contains("the module's region has up to"),
            "{error}"
        );
    }
}

/// The page for operators has the same numbers.
#[test]
fn the_page_on_security_has_every_bound() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md");
    let page = fs::read_to_string(page).unwrap();
    for bound in Bound::ALL {
        let (name, most, meaning) = (bound.name(), bound.default(), bound.meaning());
        let row = format!("| `{name}` | {most} | {meaning} |");
        assert!(page.contains(&row), "{row}");
    }
}
