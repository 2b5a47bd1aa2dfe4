//! Pipes with another end that is slow, or goes away.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use crate::desk::{Desk, said};
use crate::guests::*;

/// Every command whose reader goes away after the first bytes, or before.
#[test]
fn a_closed_pipe_is_no_panic() {
    let desk = Desk::with_blocks(40);
    desk.succeeds("counter.wasm --input blocks --to 2");
    desk.write("echo.wasm", echo());
    for arguments in [
        "run counter.wasm --input blocks --progress json",
        "run counter.wasm --input blocks --json",
        "view echo.wasm --db db --view echo",
        "digest db",
        "check-db db",
        "map counter.wasm",
        "stats counter.wasm --input blocks/1",
        "verify counter.wasm --quick --input blocks/1 --json",
        "--help",
        "--version",
    ] {
        let mut child = desk
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let told = said(&child.wait_with_output().unwrap());
        assert!(!told.contains("panicked"), "{arguments}: {told}");
    }
    // And one who does not listen to what goes wrong.
    for arguments in [
        "run counter.wasm --db db --input blocks",
        "run none --input blocks",
    ] {
        let mut child = desk
            .command(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stderr.take());
        assert_ne!(child.wait().unwrap().code(), Some(101), "{arguments}");
    }
}

/// A named pipe in the desk's folder.
#[cfg(unix)]
fn pipe(desk: &Desk) -> PathBuf {
    let pipe = desk.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    pipe
}

/// A pipe that nobody writes to is given up, and one that somebody writes to is read.
#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for_for_ever() {
    let desk = Desk::new();
    let pipe = pipe(&desk);
    let map = |arguments: &str| said(&soon(|| desk.steadfast(&format!("map {arguments}"))));
    let told = map("pipe --bound file-seconds=1");
    assert!(told.contains("file-seconds"), "{told}");
    let writer = thread::spawn(move || fs::write(pipe, counter()));
    let told = map("pipe");
    assert!(told.contains("the module has no plan"), "{told}");
    writer.join().unwrap().unwrap();
    let told = map("/dev/zero --bound module-bytes=100000");
    assert!(
        told.contains("more than 100000 bytes of a module"),
        "{told}"
    );
}

/// Blocks from a pipe: somebody has to write each of them in time.
#[cfg(unix)]
#[test]
fn a_pipe_of_blocks_has_its_time_for_each_block() {
    let desk = Desk::new();
    let pipe = pipe(&desk);
    let run = |seconds: u32| {
        let arguments = format!("--input pipe --reindex --bound file-seconds={seconds}");
        let output = soon(|| desk.steadfast(&format!("run counter.wasm {arguments}")));
        (output.status.success(), said(&output))
    };
    let is_refused = |seconds: u32| {
        let (succeeded, told) = run(seconds);
        let words = format!("no whole block in {seconds} s");
        assert!(!succeeded && told.contains(&words), "{told}");
    };
    is_refused(1);
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
    is_refused(10);
    drop(writer);
}
