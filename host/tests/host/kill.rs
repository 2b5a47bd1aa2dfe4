//! Runs that are ended while they index: killed, or told to stop. Whenever that is, the state is
//! that of whole blocks, and the next run goes on from there.
//!
//! The host is killed 10 times, or as often as `STEADFAST_KILLS` says.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs};

use steadfast_host::{FullDigest, RedbState, State, StateHasher};

use crate::desk::Desk;
use crate::guests::{escaped, module, send};

/// Bytes of the large value: the database takes some milliseconds to write it.
const LARGE: usize = 4 << 20;

/// Kills, where nothing else is said.
const KILLS: u32 = 10;

/// Times that the host is told to stop by each of two signals.
const STOPS: u32 = 3;

/// Blocks that a run begins at most before it is ended.
const BLOCKS_PER_RUN: u32 = 4;

/// When a run is ended.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The module runs.
    Begun,
    /// The database has begun to write.
    Writing,
    /// The block is written, and the run has said so.
    Written,
}

const MOMENTS: [Moment; 3] = [Moment::Begun, Moment::Writing, Moment::Written];

/// What an end has met, as the state shows it afterwards.
#[derive(Debug, Default)]
struct Met {
    before: u32,
    within: u32,
    after: u32,
}

/// Logs a line, takes some time, then writes two pairs: `n`, how many blocks there were, and `b`,
/// so many bytes of the lowest byte of `n`.
fn pair_writer() -> Vec<u8> {
    let varint = |mut number: usize| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push((number & 0x7f | 0x80) as u8);
            number >>= 7;
        }
        bytes.push(number as u8);
        escaped(&bytes)
    };
    // The key, the number's four bytes, the key, and the length that takes four bytes itself.
    let (head, large) = (3 + 6 + 3 + 1 + 4, varint(LARGE));
    let (at, pages) = (64 + head, LARGE.div_ceil(1 << 16) + 2);
    let length = escaped(&(LARGE as u32 + head as u32).to_le_bytes());
    module(&format!(
        r#"
        (memory (export "memory") {pages})
        (data (i32.const 12) "\05\00\00\00block")
        (data (i32.const 28) "\01\00\00\00n")
        (data (i32.const 60) "{length}\0a\01n\0a\04????\0a\01b\0a{large}")
        (func (export "_start") (local $turns i32)
            (call $log (i32.const 16))
            (local.set $turns (i32.const 10000000))
            (loop $spin (br_if $spin (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))
            (call $get (i32.const 32) (i32.const 69))
            (if (i32.eqz (call $get_len (i32.const 32)))
                (then (i32.store (i32.const 69) (i32.const 0))))
            (i32.store (i32.const 69) (i32.add (i32.load (i32.const 69)) (i32.const 1)))
            (memory.fill (i32.const {at}) (i32.load (i32.const 69)) (i32.const {LARGE}))
            (call $flush (i32.const 64)))
        "#
    ))
}

/// What is seen of a run that was ended.
struct Ended {
    /// Blocks that it began.
    begun: u32,
    /// Whether nothing was written to the database since the last of them began.
    untouched: bool,
    status: ExitStatus,
    /// The last line that it printed.
    report: Option<serde_json::Value>,
}

fn start(desk: &Desk) -> Child {
    desk.command("run writer.wasm --db db --input blocks --progress json --json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

/// Ends a run in one of its blocks.
fn end_run(desk: &Desk, signal: &str, moment: Moment, turn: u32) -> Ended {
    let mut child = start(desk);
    // The module's own lines: the host says which blocks it skips.
    let mut begun = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .filter(|line| line == "block");
    let mut written = BufReader::new(child.stdout.take().unwrap()).lines();
    let block = 1 + turn % 3;
    assert_eq!(begun.by_ref().take(block as usize).count(), block as usize);
    let untouched = trace(&desk.path("db"));
    match moment {
        Moment::Begun => {}
        Moment::Writing => {
            let waits = |child: &mut Child| child.try_wait().unwrap().is_none();
            while trace(&desk.path("db")) == untouched && waits(&mut child) {}
            sleep(Duration::from_micros(u64::from(turn) * 7919 % 3000));
        }
        Moment::Written => {
            let lines = written.by_ref().take(block as usize);
            assert_eq!(lines.map_while(Result::ok).count(), block as usize);
        }
    }
    send(signal, &child);
    let last = written.map_while(Result::ok).last();
    Ended {
        begun: block + begun.count() as u32,
        untouched: trace(&desk.path("db")) == untouched,
        status: child.wait().unwrap(),
        report: last.and_then(|line| serde_json::from_str(&line).ok()),
    }
}

/// How many blocks the state holds; its pairs, its digest and its tip must say the same.
fn written(desk: &Desk) -> u32 {
    let state = RedbState::open(desk.path("db")).unwrap();
    let snapshot = state.snapshot().unwrap();
    let full = FullDigest::of(&*snapshot).unwrap();
    assert_eq!(snapshot.digest().unwrap(), full.state);
    let height = snapshot.tip().unwrap().map_or(0, |tip| tip.height);
    let mut expected = StateHasher::default();
    if height > 0 {
        expected.pair(b"n", &height.to_le_bytes());
        expected.pair(b"b", &vec![height as u8; LARGE]);
    }
    assert_eq!(full.state, expected.finish(), "block {height}");
    height
}

/// What changes when somebody writes to a file.
fn trace(path: &Path) -> (u64, u64, i64, i64) {
    let file = fs::metadata(path).unwrap();
    (file.len(), file.blocks(), file.mtime(), file.mtime_nsec())
}

#[test]
fn a_run_that_is_ended_leaves_whole_blocks_and_the_next_one_goes_on() {
    let kills = env::var("STEADFAST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let ends = [("-KILL", kills), ("-INT", STOPS), ("-TERM", STOPS)];
    let blocks = BLOCKS_PER_RUN * (kills + 2 * STOPS);
    let desk = Desk::with_blocks(blocks);
    desk.write("writer.wasm", pair_writer());
    let mut met = Met::default();
    let mut before = 0;
    for (signal, turns) in ends {
        for turn in 0..turns {
            let moment = MOMENTS[turn as usize % MOMENTS.len()];
            let ended = end_run(&desk, signal, moment, turn);
            let begun = ended.begun;
            let after = written(&desk);
            let new = after - before;
            before = after;
            if signal != "-KILL" {
                assert_eq!(ended.status.code(), Some(0), "as after an ordinary end");
                assert_eq!(new, begun, "{signal} {moment:?}");
                assert_eq!(ended.report.unwrap()["blocks"], new);
                continue;
            }
            assert_eq!(ended.status.signal(), Some(9));
            // A block begins once the one before is written.
            assert!(new == begun || new + 1 == begun, "{new} of {begun}");
            match (new == begun, ended.untouched) {
                (true, _) => met.after += 1,
                (false, true) => met.before += 1,
                (false, false) => met.within += 1,
            }
        }
    }
    println!("kills by what they fell into: {met:?}");
    assert!(met.before > 0 && met.within > 0 && met.after > 0, "{met:?}");
    let last = start(&desk).wait_with_output().unwrap();
    assert!(last.status.success(), "{last:?}");
    assert_eq!(written(&desk), blocks);
}
