//! The metashrew imports, and when a block counts as done.

use crate::guests::*;
use steadfast_host::metashrew::ImportError;
use steadfast_host::{Input, MemoryState, RunError, Runner};

fn run(module: &[u8]) -> (Result<(), RunError>, MemoryState) {
    let runner = Runner::new(module, quiet()).unwrap();
    let mut state = MemoryState::default();
    let result = runner.run_block(&any_input(), &mut state).map(drop);
    (result, state)
}

#[test]
fn each_block_sees_what_the_blocks_before_it_wrote() {
    let runner = Runner::new(&counter(), quiet()).unwrap();
    let mut state = MemoryState::default();
    for block in 1..=3 {
        let report = runner.run_block(&any_input(), &mut state).unwrap();
        assert_eq!(text(&state, "n").unwrap(), "x".repeat(block));
        assert_eq!(report.imports.get_lens, 1);
        assert_eq!(report.imports.gets, 1);
        assert_eq!(report.imports.get_bytes, block as u64 - 1);
        assert_eq!(report.imports.flush_bytes, block as u64 + 5);
        assert_eq!((report.imports.flushes, report.written_pairs), (1, 1));
        assert_eq!(report.height, 7);
    }
}

#[test]
fn writes_are_not_readable_within_their_block() {
    let module = module(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 16) "\01\00\00\00v")
        (data (i32.const 64) "\06\00\00\00\0a\01v\0a\01a")
        (data (i32.const 128) "\06\00\00\00\0a\01w\0a\01?")
        (func (export "_start")
            (call $flush (i32.const 68))
            (i32.store8 (i32.const 137) (i32.add (i32.const 48) (call $get_len (i32.const 20))))
            (call $flush (i32.const 132)))
        "#,
    );
    let (result, state) = run(&module);
    result.unwrap();
    assert_eq!(text(&state, "v").unwrap(), "a");
    assert_eq!(text(&state, "w").unwrap(), "0");
}

#[test]
fn the_input_is_the_height_and_then_the_block() {
    let module = module(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 64) "????\0a\01i\0a")
        (func (export "_start")
            (i32.store8 (i32.const 72) (call $host_len))
            (i32.store (i32.const 64) (i32.add (i32.const 5) (call $host_len)))
            (call $load_input (i32.const 73))
            (call $flush (i32.const 68)))
        "#,
    );
    let (result, state) = run(&module);
    result.unwrap();
    assert_eq!(text(&state, "i").unwrap(), "\u{7}\0\0\0block");
}

#[test]
fn an_empty_value_deletes() {
    let module = module(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 64) "\0b\00\00\00\0a\01n\0a\00\0a\01m\0a\01a")
        (func (export "_start") (call $flush (i32.const 68)))
        "#,
    );
    let mut state = MemoryState::default();
    let counter = Runner::new(&counter(), quiet()).unwrap();
    counter.run_block(&any_input(), &mut state).unwrap();
    let runner = Runner::new(&module, quiet()).unwrap();
    runner.run_block(&any_input(), &mut state).unwrap();
    assert_eq!(text(&state, "n"), None);
    assert_eq!(text(&state, "m").unwrap(), "a");
}

#[test]
fn a_trap_after_a_flush_writes_nothing() {
    let (result, state) = run(&counter_that("unreachable"));
    assert!(matches!(result, Err(RunError::Trap { .. })), "{result:?}");
    assert!(state.pairs().is_empty());
}

#[test]
fn a_block_without_a_flush_fails() {
    let (result, _) = run(&module(
        r#"(memory (export "memory") 1) (func (export "_start"))"#,
    ));
    assert!(matches!(result, Err(RunError::NoFlush)), "{result:?}");
}

#[test]
fn a_bad_flush_fails_its_block_and_takes_the_good_ones_with_it() {
    for message in [
        r"\03\00\00\00\0a\01n",
        r"\04\00\00\00\0a\7fn?",
        r"\ff\ff\ff\ff",
    ] {
        let (result, state) = run(&module(&format!(
            r#"
            (memory (export "memory") 1)
            (data (i32.const 64) "\06\00\00\00\0a\01v\0a\01a")
            (data (i32.const 128) "{message}")
            (func (export "_start")
                (call $flush (i32.const 68))
                (call $flush (i32.const 132)))
            "#
        )));
        assert!(matches!(result, Err(RunError::Import(_))), "{result:?}");
        assert!(state.pairs().is_empty());
    }
}

#[test]
fn pointers_outside_memory_fail_the_block_and_name_the_import() {
    for (call, name) in [
        ("(call $load_input (i32.const 65530))", "__load_input"),
        ("(call $load_input (i32.const -8))", "__load_input"),
        ("(call $get (i32.const 3) (i32.const 0))", "__get"),
        ("(call $flush (i32.const 70000))", "__flush"),
        ("(call $log (i32.const -1))", "__log"),
    ] {
        let code = format!("(memory (export \"memory\") 1) (func (export \"_start\") {call})");
        match run(&module(&code)).0 {
            Err(RunError::Import(
                ImportError::Unreadable { import, .. } | ImportError::Unwritable { import, .. },
            )) => assert_eq!(import, name),
            other => panic!("{call}: {other:?}"),
        }
    }
}

#[test]
fn an_unreadable_key_has_the_length_that_metashrew_answers() {
    for key in ["0", "3", "65537", "-2147483000"] {
        let code = format!("(global.set $value (call $get_len (i32.const {key})))");
        let memory = r#"(memory (export "memory") 1)"#;
        let (result, state) = run(&module_that_writes(memory, "", &code));
        result.unwrap();
        assert_eq!(written(&state), 0x7fff_ffff, "key {key}");
    }
}

#[test]
fn log_lines_are_captured() {
    let module = counter_that(
        "(i32.store (i32.const 200) (i32.const 2)) (i32.store16 (i32.const 204) (i32.const 26984)) (call $log (i32.const 204))",
    );
    let runner = Runner::new(&module, quiet()).unwrap();
    let report = runner
        .run_block(&any_input(), &mut MemoryState::default())
        .unwrap();
    assert_eq!(report.output, "hi\n");
    assert_eq!(report.imports.logs, 1);
}

#[test]
fn a_view_returns_bytes_and_writes_nothing() {
    let module = module(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 64) "\06\00\00\00\0a\01v\0a\01a")
        (func (export "_start") (call $flush (i32.const 68)))
        (func (export "echo") (result i32)
            (call $flush (i32.const 68))
            (i32.store (i32.const 512) (call $host_len))
            (call $load_input (i32.const 516))
            (i32.const 516))
        (func (export "wild") (result i32) (i32.const 0xfffff))
        (func (export "trap") (result i32) unreachable)
        "#,
    );
    let runner = Runner::new(&module, quiet()).unwrap();
    let state = MemoryState::default();
    let input = Input::new(1, b"abc");
    let view = |name| runner.view(name, &input, &state);
    assert_eq!(view("echo").unwrap(), b"\x01\0\0\0abc");
    assert!(matches!(view("wild"), Err(RunError::BadView(0xfffff))));
    assert!(matches!(view("trap"), Err(RunError::Trap { .. })));
    for name in ["none", "_start"] {
        let told = format!(
            "the module exports no function `{name}` without parameters that returns a pointer; it has echo, wild, trap"
        );
        assert_eq!(view(name).unwrap_err().to_string(), told);
    }
    assert!(state.pairs().is_empty());
}
