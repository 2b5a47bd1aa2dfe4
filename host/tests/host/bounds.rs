//! What a module may take of the host beside its memory, and of a compiler: each bound, just within
//! it and just beyond.

use std::sync::{Arc, Barrier};
use std::{fs, thread};

use crate::guests::*;
use steadfast_host::{Bound, Bounds, LoadError, MemoryState, RunConfig, RunError, Runner};

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
