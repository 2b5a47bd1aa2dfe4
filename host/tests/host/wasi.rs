//! What a WASI guest sees of the world.

use crate::desk::Desk;
use crate::guests::*;
use steadfast_host::verify::{Scenario, Subject, engines};
use steadfast_host::{MemoryState, RunConfig, RunError, Runner};

/// A module with the WASI functions that these tests use.
fn wasi_module(code: &str) -> Vec<u8> {
    module(&format!(
        r#"
        (import "wasi_snapshot_preview1" "path_open"
            (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_read"
            (func $fd_read (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get"
            (func $environ_sizes_get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "block")
        (data (i32.const 1024) "\09\00\00\00\0a\01v\0a\04????")
        (func $write (param $value i32)
            (i32.store (i32.const 1033) (local.get $value))
            (call $flush (i32.const 1028)))
        (func (export "_start") {code})
        "#
    ))
}

fn run(
    code: &str,
    config: RunConfig,
) -> (Result<steadfast_host::BlockReport, RunError>, MemoryState) {
    let runner = Runner::new(&wasi_module(code), config).unwrap();
    let mut state = MemoryState::default();
    let result = runner.run_block(&any_input(), &mut state);
    (result, state)
}

/// Opens the input with rights to read, and perhaps to write; the status is left on the stack.
fn open(flags: u32, rights: u64) -> String {
    format!(
        "(call $path_open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 5) (i32.const {flags})
            (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 32))"
    )
}

#[test]
fn the_input_is_a_file_with_the_height_and_the_block() {
    let code = format!(
        "(call $write {open})
        (i32.store (i32.const 40) (i32.const 1100))
        (i32.store (i32.const 44) (i32.const 100))
        (drop (call $fd_read (i32.load (i32.const 32)) (i32.const 40) (i32.const 1) (i32.const 48)))
        (call $write (i32.add (i32.load (i32.const 1100)) (i32.mul (i32.const 1000) (i32.load (i32.const 48)))))",
        open = open(0, 2)
    );
    let (result, state) = run(&code, quiet());
    result.unwrap();
    assert_eq!(
        written(&state),
        9007,
        "nine bytes, beginning with the height 7"
    );
}

#[test]
fn the_input_can_be_neither_written_nor_truncated() {
    for (flags, rights) in [(0, 64), (1, 66), (8, 66)] {
        let (result, state) = run(&format!("(call $write {})", open(flags, rights)), quiet());
        result.unwrap();
        assert_ne!(written(&state), 0, "flags {flags}, rights {rights}");
    }
}

#[test]
fn the_environment_is_what_the_configuration_says() {
    let code = "(drop (call $environ_sizes_get (i32.const 40) (i32.const 44)))
        (call $write (i32.add (i32.mul (i32.const 1000) (i32.load (i32.const 40))) (i32.load (i32.const 44))))";
    assert_eq!(written(&run(code, quiet()).1), 0);
    let env = vec![("A".into(), "1".into()), ("BC".into(), "x".repeat(100))];
    let config = RunConfig { env, ..quiet() };
    assert_eq!(written(&run(code, config).1), 2000 + 4 + 104);
}

#[test]
fn standard_output_is_captured() {
    let code = "(i32.store (i32.const 40) (i32.const 16))
        (i32.store (i32.const 44) (i32.const 5))
        (drop (call $fd_write (i32.const 1) (i32.const 40) (i32.const 1) (i32.const 48)))
        (call $write (i32.const 0))";
    assert_eq!(run(code, quiet()).0.unwrap().output, "block");
}

#[test]
fn exit_0_is_a_success_and_any_other_a_failure() {
    let (result, state) = run(
        "(call $write (i32.const 3)) (call $proc_exit (i32.const 0))",
        quiet(),
    );
    result.unwrap();
    assert_eq!(written(&state), 3);
    let (result, state) = run(
        "(call $write (i32.const 3)) (call $proc_exit (i32.const 4))",
        quiet(),
    );
    let error = result.unwrap_err();
    assert_eq!(error.to_string(), "the guest exited with status 4");
    assert!(state.pairs().is_empty());
}

/// The input itself, which begins with "block", stands for what a program prints before it stops.
#[test]
fn a_failure_says_what_was_printed_last() {
    let prints = "(i32.store (i32.const 40) (i32.const 16))
        (i32.store (i32.const 44) (i32.const 5))
        (drop (call $fd_write (i32.const 2) (i32.const 40) (i32.const 1) (i32.const 48)))";
    for (stop, told) in [
        (
            "(call $proc_exit (i32.const 4))",
            "the guest exited with status 4; it printed: block",
        ),
        (
            "unreachable",
            "instruction executed; it printed: block; in ",
        ),
    ] {
        let (result, _) = run(&format!("{prints} {stop}"), quiet());
        let error = result.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

/// What a module asks of its files, which engines answer alike.
#[test]
fn every_engine_shows_the_same_files() {
    let calls = wat::parse_str(
        r#"(module
        (import "env" "__flush" (func $flush (param i32)))
        (import "wasi_snapshot_preview1" "fd_prestat_dir_name"
            (func $name (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdstat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_filestat_get"
            (func $filestat (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_readdir"
            (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_open"
            (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_create_directory"
            (func $create (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sock_shutdown" (func $socket (param i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "../..//etc/passwd")
        (data (i32.const 1024) "\f9\03\00\00\0a\01v\0a\f3\07")
        (func (export "_start")
            (i32.store8 (i32.const 1040) (call $name (i32.const 3) (i32.const 1100) (i32.const 6)))
            (i32.store8 (i32.const 1041) (call $fdstat (i32.const 3) (i32.const 1120)))
            (i32.store8 (i32.const 1042) (call $fdstat (i32.const 1) (i32.const 1144)))
            (i32.store8 (i32.const 1043) (call $filestat (i32.const 3) (i32.const 1168)))
            (i32.store8 (i32.const 1044) (call $readdir (i32.const 3) (i32.const 1232)
                (i32.const 300) (i64.const 0) (i32.const 1048)))
            (i32.store8 (i32.const 1045) (call $open (i32.const 3) (i32.const 0) (i32.const 16)
                (i32.const 17) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0)))
            (i32.store8 (i32.const 1046) (call $create (i32.const 3) (i32.const 16) (i32.const 2)))
            (i32.store8 (i32.const 1047) (call $socket (i32.const 1) (i32.const 0)))
            (call $flush (i32.const 1028))))"#,
    );
    let subject = Subject::new(&calls.unwrap()).unwrap();
    let seen: Vec<_> = engines(&subject)
        .into_iter()
        .filter_map(|(name, engine)| Some((name, engine.ok()?)))
        .map(|(name, mut engine)| {
            let state = MemoryState::default();
            let observed = engine.run(&Scenario::reference(), &any_input(), &state, None);
            (name, observed.unwrap())
        })
        .collect();
    assert!(seen.len() >= 4, "wasmtime's three compilers and wasmi");
    let (_, reference) = &seen[0];
    let written = &reference.writes[0].1;
    let errnos = &written[1040 - 1034..1048 - 1034];
    assert_eq!(errnos, [0, 0, 0, 0, 0, 63, 69, 57]);
    assert_eq!(&written[1100 - 1034..1106 - 1034], b"/input");
    for (name, observed) in &seen {
        assert_eq!(observed.writes, reference.writes, "{name}");
    }
}

/// No file of this machine is behind the input.
#[test]
fn a_wasi_module_runs_where_no_file_can_be_made() {
    let desk = Desk::with_block();
    let code = format!(
        "(if {} (then unreachable)) (call $write (i32.const 1))",
        open(0, 2)
    );
    desk.write("module.wasm", wasi_module(&code));
    let mut command = desk.command("run module.wasm --input block");
    let output = command
        .env("TMPDIR", desk.path("missing"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
