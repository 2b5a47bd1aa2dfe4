//! The host killed while it indexes: the state is always that of the blocks which were written, whole.
//!
//! It is killed 200 times, or as often as `STEADFAST_KILLS` says.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;
use std::{env, fs};

use steadfast_host::{FullDigest, RedbState, State};

use crate::guests::{chain, module};

/// Bytes of the large value, long enough that a kill falls into its writing.
const LARGE: usize = 100_000;

/// Kills, where nothing else is said.
const KILLS: u64 = 200;

/// Blocks that the host is told to index, more than it lives for.
const BLOCKS_PER_KILL: u64 = 10;

/// Logs a line, then writes two pairs: `n`, how many blocks there were, and `b`, so many bytes of the lowest byte of `n`.
fn pair_writer() -> Vec<u8> {
    module(&format!(
        r#"
        (memory (export "memory") 4)
        (data (i32.const 12) "\05\00\00\00block")
        (data (i32.const 28) "\01\00\00\00n")
        (data (i32.const 60) "\b0\86\01\00\0a\01n\0a\04????\0a\01b\0a\a0\8d\06")
        (func (export "_start")
            (call $log (i32.const 16))
            (call $get (i32.const 32) (i32.const 69))
            (if (i32.eqz (call $get_len (i32.const 32)))
                (then (i32.store (i32.const 69) (i32.const 0))))
            (i32.store (i32.const 69) (i32.add (i32.load (i32.const 69)) (i32.const 1)))
            (memory.fill (i32.const 80) (i32.load (i32.const 69)) (i32.const {LARGE}))
            (call $flush (i32.const 64)))
        "#
    ))
}

/// How many blocks the state holds; both pairs must say the same.
fn blocks_written(db: &Path) -> u32 {
    let state = RedbState::open(db).unwrap();
    let snapshot = state.snapshot().unwrap();
    let full = FullDigest::of(&*snapshot).unwrap();
    assert_eq!(snapshot.digest().unwrap(), full.state);
    let counted = snapshot.get(b"n").unwrap();
    let filled = snapshot.get(b"b").unwrap();
    let Some(counted) = counted else {
        assert_eq!(filled, None);
        return 0;
    };
    let count = u32::from_le_bytes(counted[..].try_into().unwrap());
    assert!(filled.unwrap() == vec![count as u8; LARGE], "block {count}");
    // The tip is written with the block, and the next run goes on behind it.
    assert_eq!(snapshot.tip().unwrap().unwrap().height, count);
    count
}

fn start(directory: &Path) -> Child {
    let path = |name: &str| directory.join(name);
    Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .arg("run")
        .arg(path("writer.wasm"))
        .arg("--db")
        .arg(path("db"))
        .arg("--input")
        .arg(path("blocks"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts")
}

#[test]
fn a_killed_host_leaves_the_state_before_or_after_a_block() {
    let kills = env::var("STEADFAST_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let db = directory.path().join("db");
    fs::write(directory.path().join("writer.wasm"), pair_writer()).unwrap();
    let blocks = directory.path().join("blocks");
    fs::create_dir(&blocks).unwrap();
    for (block, height) in chain((kills * BLOCKS_PER_KILL) as u32).iter().zip(1..) {
        fs::write(blocks.join(format!("{height}")), block).unwrap();
    }
    let mut before = 0;
    let (mut was_begun, mut was_done) = (0, 0);
    for kill in 0..kills {
        let mut child = start(directory.path());
        let mut lines = BufReader::new(child.stderr.take().unwrap())
            .lines()
            .map_while(Result::ok)
            // What the host says itself: which blocks it skips.
            .filter(|line| !line.starts_with("steadfast:"));
        // Some number of blocks and some fraction of the next one, different each time.
        let blocks = 1 + kill % 7;
        let mut begun: u32 = 0;
        while u64::from(begun) < blocks && lines.next().is_some() {
            begun += 1;
        }
        sleep(Duration::from_micros(kill * 7919 % 3000));
        child.kill().unwrap();
        child.wait().unwrap();
        begun += lines.count() as u32;
        assert!(begun > 0, "the host did not start");

        let after = blocks_written(&db);
        // A block begins once the one before is written.
        let new = after - before;
        assert!(
            new == begun || new + 1 == begun,
            "{begun} begun, {new} written"
        );
        was_done += u32::from(new == begun);
        was_begun += u32::from(new + 1 == begun);
        before = after;
    }
    println!(
        "{kills} kills: {was_begun} times the last block was lost whole, {was_done} times it was there whole"
    );
    assert!(
        was_begun > 0,
        "no kill fell between a block's beginning and its end"
    );
}
