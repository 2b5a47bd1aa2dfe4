//! A chain of blocks into one database, by many runs: each goes on where the state stands.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::desk::{Desk, said};
use crate::guests::{chain, counter, in_hexadecimal, quiet};
use serde_json::Value;
use steadfast_host::{FullDigest, Input, MemoryState, RedbState, Runner, State, state_digest};

/// How many blocks a desk has indexed, and the last one's height.
pub fn counted(desk: &Desk) -> (usize, u32) {
    let state = RedbState::open_read_only(desk.path("db")).unwrap();
    let snapshot = state.snapshot().unwrap();
    let count = snapshot.get(b"n").unwrap().map_or(0, |value| value.len());
    let tip = snapshot.tip().unwrap();
    let full = FullDigest::of(&*snapshot).unwrap();
    assert_eq!(
        snapshot.digest().unwrap(),
        full.state,
        "the digest that is kept"
    );
    (count, tip.map_or(0, |tip| tip.height))
}

#[test]
fn runs_go_on_where_the_state_stands() {
    let desk = Desk::with_blocks(8);
    assert_eq!(desk.succeeds("counter.wasm --input blocks --to 3"), "");
    assert_eq!(counted(&desk), (3, 3));
    let said = desk.succeeds("counter.wasm --input blocks --to 5");
    assert!(
        said.contains("blocks 1 to 3 are in the state already"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(counted(&desk), (5, 5));
    let said = desk.succeeds("counter.wasm --input blocks/5");
    assert!(said.contains("block 5 is in the state already"), "{said}");
    assert_eq!(desk.succeeds("counter.wasm --input blocks --from 6"), "");
    assert_eq!(counted(&desk), (8, 8));
}

#[test]
fn a_range_without_blocks_is_refused_with_the_heights_that_there_are() {
    let desk = Desk::with_blocks(8);
    desk.succeeds("counter.wasm --input blocks --to 4");
    for (range, words) in [
        (
            "--from 20",
            ["from block 20 on (--from)", "the heights 1 to 8"],
        ),
        ("--to 0", ["up to block 0 (--to)", "the height 1"]),
        (
            "--from 9 --to 20",
            ["(--from) and up to block 20 (--to)", "1 to 8"],
        ),
        ("--from 7 --to 3", ["--from 7 is above --to 3", "no block"]),
    ] {
        desk.refuses(&format!("counter.wasm --input blocks {range}"), &words);
    }
    // What the state has already is no such range.
    let said = desk.succeeds("counter.wasm --input blocks --from 2 --to 3");
    assert!(
        said.contains("blocks 2 to 3 are in the state already"),
        "{said}"
    );
    desk.succeeds("counter.wasm --input blocks --from 3 --to 3");
}

#[test]
fn what_does_not_follow_is_refused_with_what_was_expected() {
    let desk = Desk::with_blocks(6);
    desk.succeeds("counter.wasm --input blocks --to 3");
    for (name, from, at) in [("other-parent", "blocks/4", 4), ("other-2", "blocks/2", 36)] {
        let mut other = desk.read(from);
        other[at] ^= 1;
        desk.write(name, other);
    }
    let refused: [(_, &[&str]); 3] = [
        (
            "blocks/5",
            &[
                "block 5 (",
                "as of block 3 (",
                "block 4 is expected",
                "--allow-gap",
            ],
        ),
        (
            "other-parent",
            &["block 4 (", "builds on", "as of block 3 (", "--reindex"],
        ),
        (
            "other-2",
            &["block 2 (", "block 4 is expected", "--reindex"],
        ),
    ];
    for (input, words) in refused {
        desk.refuses(&format!("counter.wasm --input {input}"), words);
    }
    // Options say otherwise.
    for (input, state) in [
        ("blocks/5 --allow-gap", (4, 5)),
        ("other-2 --reindex", (5, 2)),
        ("other-parent --allow-gap", (6, 4)),
    ] {
        desk.succeeds(&format!("counter.wasm --input {input}"));
        assert_eq!(counted(&desk), state);
    }
}

#[test]
fn the_digest_does_not_depend_on_how_the_state_came_about() {
    let desk = Desk::with_blocks(4);
    desk.succeeds("counter.wasm --input blocks --to 1");
    desk.succeeds("counter.wasm --input blocks");
    let mut memory = MemoryState::default();
    let runner = Runner::new(&counter(), quiet()).unwrap();
    for block in chain(4) {
        let input = Input::parse("block", &block).unwrap();
        runner.run_block(&input, &mut memory).unwrap();
    }
    let digest = state_digest(&memory).unwrap();
    assert_eq!(digest, desk.digest());
    let found = desk.json("digest db");
    let full = FullDigest::of(&*memory.snapshot().unwrap()).unwrap();
    assert_eq!(found["state_digest"], digest.to_string());
    assert_eq!(found["sha256"], full.sha256.to_string());
    assert_eq!((&found["height"], &found["pairs"]), (&4.into(), &1.into()));
    let report = desk.json("run counter.wasm --input blocks");
    assert_eq!(report["state_digest"], digest.to_string());
    assert!(report["host"]["peak_bytes"].as_u64() > Some(0), "{report}");
}

#[test]
fn standard_input_and_other_chains() {
    let desk = Desk::new();
    let mut child = desk
        .command("run counter.wasm --db db --input -")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin
        .write_all(in_hexadecimal(&chain(3)).as_bytes())
        .unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(counted(&desk), (3, 3));

    desk.write("any", "no block at all");
    desk.write("more", "nor this");
    desk.refuses(
        "counter.wasm --input any",
        &[
            "any: not a block in hexadecimal",
            "something else than digits",
        ],
    );
    desk.succeeds("counter.wasm --raw --input any more");
    assert_eq!(counted(&desk), (5, 5));
    let again = desk.succeeds("counter.wasm --raw --height 4 --input any more");
    assert!(
        again.contains("blocks 4 to 5 are in the state already"),
        "{again}"
    );
    desk.refuses(
        "counter.wasm --raw --height 4 --input more",
        &["block 4 (", "--reindex"],
    );
    let fresh = said(&desk.steadfast("run counter.wasm --raw --input any"));
    assert!(fresh.contains("--height N"), "{fresh}");
}

/// The most memory that a run took.
#[cfg(target_os = "linux")]
fn peak(desk: &Desk, to: u32) -> u64 {
    let report = desk.json(&format!("run counter.wasm --input blocks --to {to}"));
    assert_eq!(report["blocks"], to);
    report["host"]["peak_bytes"].as_u64().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_large_blocks_take_little_more_memory_than_one() {
    const LARGE: usize = 1_750_000;
    let desk = Desk::with_blocks(100);
    for height in 1..=100 {
        let path = desk.path(&format!("blocks/{height}"));
        let block = fs::read(&path).unwrap();
        // The one output's script, ahead of the lock time.
        let (before, lock_time) = block.split_at(block.len() - 4);
        let script = &before[..before.len() - 1];
        let length = [&[0xfe], &(LARGE as u32).to_le_bytes()[..]].concat();
        let large = [script, &length, &vec![0x6a; LARGE], lock_time].concat();
        fs::write(&path, large).unwrap();
    }
    let (one, hundred) = (peak(&desk, 1), peak(&desk, 100));
    println!("{one} bytes for one block, {hundred} for a hundred");
    assert!(
        hundred < one + (60 << 20),
        "{hundred} bytes, and {one} for one block"
    );
}

#[test]
fn each_block_is_told_as_it_goes() {
    let desk = Desk::with_blocks(3);
    let output = desk.steadfast("run counter.wasm --input blocks --progress json --json");
    let lines = String::from_utf8(output.stdout).unwrap();
    let parsed = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = parsed.collect();
    assert_eq!(lines.len(), 4);
    for (line, block) in lines[..3].iter().zip(1..) {
        assert_eq!(line["block"], block);
    }
    assert_eq!(lines[2]["state_digest"], lines[3]["state_digest"]);
    assert_eq!(lines[2]["written_pairs"], 1);
    assert_eq!(lines[2]["hash"].as_str().unwrap().len(), 64);
}
