//! Plain WASI commands.

use std::process::Output;

use crate::desk::Desk;

/// A command that exits with the number of its arguments and environment variables, or does what
/// `code` says before.
fn command(code: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(module
        (import "wasi_snapshot_preview1" "args_sizes_get" (func $args (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "path_create_directory"
            (func $mkdir (param i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write"
            (func $fd_write (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (data (i32.const 16) "new")
        (data (i32.const 32) "\10\00\00\00\03\00\00\00")
        (func (export "_start")
            {code}
            (drop (call $args (i32.const 64) (i32.const 68)))
            (drop (call $env (i32.const 72) (i32.const 76)))
            (call $exit (i32.add
                (i32.load (i32.const 64))
                (i32.mul (i32.const 10) (i32.load (i32.const 72)))))))"#
    ))
    .unwrap()
}

fn exec(desk: &Desk, code: &str, before: &[&str], after: &[&str]) -> Output {
    desk.write("command.wasm", command(code));
    desk.command("exec")
        .args(before)
        .arg("command.wasm")
        .args(after)
        .output()
        .unwrap()
}

#[test]
fn arguments_environment_and_status_are_passed_on() {
    let desk = Desk::new();
    let output = exec(&desk, "", &[], &["--a", "-b", "--", "c"]);
    assert_eq!(output.status.code(), Some(5), "its name and four arguments");
    let output = exec(&desk, "", &["--env", "A=1", "--env", "B=2"], &[]);
    assert_eq!(output.status.code(), Some(21));
    let output = exec(&desk, "(call $exit (i32.const 0))", &[], &[]);
    assert!(output.status.success());
    let output = exec(&desk, "return", &[], &[]);
    assert!(output.status.success(), "a return is a success");
}

#[test]
fn output_is_passed_on() {
    let desk = Desk::new();
    let code = "(drop (call $fd_write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40)))
        (drop (call $fd_write (i32.const 2) (i32.const 32) (i32.const 1) (i32.const 40)))";
    let output = exec(&desk, code, &[], &[]);
    assert_eq!(
        (&output.stdout[..], &output.stderr[..]),
        (&b"new"[..], &b"new"[..])
    );
}

#[test]
fn the_current_directory_is_there_and_others_when_told() {
    let desk = Desk::new();
    let other = Desk::new();
    let mkdir = |fd: u32| {
        format!("(call $exit (call $mkdir (i32.const {fd}) (i32.const 16) (i32.const 3)))")
    };
    assert_eq!(exec(&desk, &mkdir(3), &[], &[]).status.code(), Some(0));
    assert!(desk.path("new").is_dir());
    assert_ne!(exec(&desk, &mkdir(4), &[], &[]).status.code(), Some(0));
    let dir = format!("{}::/other", other.folder().display());
    assert_eq!(
        exec(&desk, &mkdir(4), &["--dir", &dir], &[]).status.code(),
        Some(0)
    );
    assert!(other.path("new").is_dir());
}

#[test]
fn a_trap_is_one_line_and_memory_is_limited_only_when_told() {
    let desk = Desk::new();
    let output = exec(&desk, "unreachable", &[], &[]);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("command.wasm: the guest trapped"),
        "{message}"
    );
    assert_eq!(message.lines().count(), 1);

    let grow = "(call $exit (i32.lt_s (memory.grow (i32.const 65535)) (i32.const 0)))";
    assert_eq!(exec(&desk, grow, &[], &[]).status.code(), Some(0));
    let limited = exec(&desk, grow, &["--ceiling", "1GiB"], &[]);
    assert_eq!(limited.status.code(), Some(1));
}

#[test]
fn an_indexer_is_told_to_run_with_run() {
    let output = Desk::new().steadfast("exec counter.wasm");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        message,
        "steadfast: counter.wasm: the module imports `env::__host_len`: it looks like a metashrew \
         indexer, which `steadfast run` runs on blocks\n"
    );
}
