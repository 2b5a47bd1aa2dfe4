//! Signals to a run: the first ends it after its block, the second at once.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::chain::counted;
use crate::desk::Desk;
use crate::guests::{chain, counter_that, in_hexadecimal, send};
use steadfast_host::RedbState;

/// A counter that says when a block begins, and then takes longer than anybody waits.
fn slow() -> Vec<u8> {
    counter_that(
        r#"(i32.store (i32.const 2000) (i32.const 2))
        (i32.store16 (i32.const 2004) (i32.const 0x0a78))
        (call $log (i32.const 2004))
        (loop $spin (br $spin))"#,
    )
}

/// How the run ends, within a minute.
fn ended(child: &mut Child) -> ExitStatus {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(60) {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    panic!("the run goes on");
}

#[test]
fn a_second_signal_ends_a_run_at_once() {
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let desk = Desk::with_blocks(2);
        desk.succeeds("counter.wasm --input blocks/1");
        desk.write("slow.wasm", slow());
        let temporary = desk.path("tmp");
        fs::create_dir(&temporary).unwrap();
        let mut child = desk
            .command("run slow.wasm --db db --input blocks --json")
            .env("TMPDIR", &temporary)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        for (awaited, signal) in [("x", signal), ("a second signal", signal)] {
            let found = lines.find(|line| line.as_ref().unwrap().contains(awaited));
            assert!(found.is_some(), "nobody said `{awaited}`");
            send(signal, &child);
        }
        assert_eq!(ended(&mut child).code(), Some(code));
        let mut printed = String::new();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_to_string(&mut printed).unwrap();
        assert_eq!(printed, "", "no report of a block that was not finished");
        assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
        // It may need a writer to bring the file in order.
        drop(RedbState::open(desk.path("db")).unwrap());
        assert_eq!(counted(&desk), (1, 1));
    }
}

#[test]
fn a_signal_ends_the_wait_for_the_next_block() {
    // With nothing at hand, and with a part of a block.
    for (signal, blocks, part) in [("-INT", 2, ""), ("-TERM", 1, "00ab")] {
        let desk = Desk::new();
        let mut child = desk
            .command("run counter.wasm --db db --input - --progress json --json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // It stays open.
        let mut stdin = child.stdin.take().unwrap();
        let lines = in_hexadecimal(&chain(blocks)) + part;
        stdin.write_all(lines.as_bytes()).unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
        let count = blocks as usize;
        assert_eq!(told.by_ref().take(count).count(), count);
        send(signal, &child);
        assert_eq!(
            ended(&mut child).code(),
            Some(0),
            "as after an ordinary end"
        );
        let report = told.next().expect("a report").unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["blocks"], blocks);
        assert_eq!(counted(&desk), (count, blocks));
    }
}
