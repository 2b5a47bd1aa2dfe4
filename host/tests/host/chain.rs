//! A chain of blocks into one database, by many runs: each goes on where the state stands.

use std::fs;
use std::io::{Read as _, Write as _};
use std::mem::offset_of;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::guests::{
    chain, counter, counter_that, escaped, hexadecimal, info_items, module, module_that_writes,
};
use steadfast::format::InstanceInfo;
use steadfast_host::{FullDigest, Input, MemoryState, RedbState, Runner, State, state_digest};
use tempfile::TempDir;

/// A directory with a module that counts blocks, and a folder of blocks from height 1 on.
struct Desk(TempDir);

impl Desk {
    fn new(blocks: u32) -> Self {
        let desk = Desk(tempfile::tempdir().unwrap());
        fs::write(desk.path("counter.wasm"), counter()).unwrap();
        fs::create_dir(desk.path("blocks")).unwrap();
        for (block, height) in chain(blocks).iter().zip(1..) {
            fs::write(desk.path(&format!("blocks/{height}")), block).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A command in the directory.
    fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.0.path());
        command
    }

    fn steadfast(&self, arguments: &str) -> Output {
        self.command(arguments)
            .output()
            .expect("the command starts")
    }

    fn run(&self, more: &str) -> Output {
        self.steadfast(&format!("run counter.wasm --db db {more}"))
    }

    fn succeeds(&self, more: &str) -> String {
        let output = self.run(more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{more}: {said}");
        said
    }

    fn refuses(&self, more: &str, words: &[&str]) {
        let before = self.counted();
        let output = self.run(more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{more}");
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "`{word}` is missing in: {said}");
        }
        assert_eq!(self.counted(), before, "{more}: the state was changed");
    }

    /// How many blocks were indexed, and the last one's height.
    fn counted(&self) -> (usize, u32) {
        let state = RedbState::open_read_only(self.path("db")).unwrap();
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
}

#[test]
fn runs_go_on_where_the_state_stands() {
    let desk = Desk::new(8);
    assert_eq!(desk.succeeds("--input blocks --to 3"), "");
    assert_eq!(desk.counted(), (3, 3));
    let said = desk.succeeds("--input blocks --to 5");
    assert!(
        said.contains("blocks 1 to 3 are in the state already"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(desk.counted(), (5, 5));
    let said = desk.succeeds("--input blocks/5");
    assert!(said.contains("block 5 is in the state already"), "{said}");
    assert_eq!(desk.succeeds("--input blocks --from 6"), "");
    assert_eq!(desk.counted(), (8, 8));
}

#[test]
fn a_range_without_blocks_is_refused_with_the_heights_that_there_are() {
    let desk = Desk::new(8);
    desk.succeeds("--input blocks --to 4");
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
        ("--from 7 --to 3", ["from block 7 on", "the heights 1 to 7"]),
    ] {
        desk.refuses(&format!("--input blocks {range}"), &words);
    }
    // What the state has already is no such range.
    let said = desk.succeeds("--input blocks --from 2 --to 3");
    assert!(
        said.contains("blocks 2 to 3 are in the state already"),
        "{said}"
    );
}

#[test]
fn what_does_not_follow_is_refused_with_what_was_expected() {
    let desk = Desk::new(6);
    desk.succeeds("--input blocks --to 3");
    desk.refuses(
        "--input blocks/5",
        &[
            "block 5 (",
            "as of block 3 (",
            "block 4 is expected",
            "--allow-gap",
        ],
    );
    let block = fs::read(desk.path("blocks/4")).unwrap();
    let mut other = block.clone();
    other[4] ^= 1;
    fs::write(desk.path("other-parent"), &other).unwrap();
    desk.refuses(
        "--input other-parent",
        &["block 4 (", "builds on", "as of block 3 (", "--reindex"],
    );
    let mut other = fs::read(desk.path("blocks/2")).unwrap();
    other[36] ^= 1;
    fs::write(desk.path("other-2"), &other).unwrap();
    desk.refuses(
        "--input other-2",
        &["block 2 (", "block 4 is expected", "--reindex"],
    );
    // Options say otherwise.
    desk.succeeds("--input blocks/5 --allow-gap");
    assert_eq!(desk.counted(), (4, 5));
    desk.succeeds("--input other-2 --reindex");
    assert_eq!(desk.counted(), (5, 2));
    desk.succeeds("--input other-parent --allow-gap");
    assert_eq!(desk.counted(), (6, 4));
}

#[test]
fn the_digest_does_not_depend_on_how_the_state_came_about() {
    let desk = Desk::new(4);
    desk.succeeds("--input blocks --to 1");
    desk.succeeds("--input blocks");
    let mut memory = MemoryState::default();
    let runner = Runner::new(&counter(), crate::guests::quiet()).unwrap();
    for block in chain(4) {
        let input = Input::parse("block", &block).unwrap();
        runner.run_block(&input, &mut memory).unwrap();
    }
    let stored = RedbState::open_read_only(desk.path("db")).unwrap();
    let digest = state_digest(&memory).unwrap();
    assert_eq!(digest, state_digest(&stored).unwrap());
    let printed = desk.steadfast("digest db --json");
    let found: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    let full = FullDigest::of(&*memory.snapshot().unwrap()).unwrap();
    assert_eq!(found["state_digest"], digest.to_string());
    assert_eq!(found["sha256"], full.sha256.to_string());
    assert_eq!((&found["height"], &found["pairs"]), (&4.into(), &1.into()));
    let report = desk.steadfast("run counter.wasm --input blocks --json");
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["state_digest"], digest.to_string());
    assert!(report["host"]["peak_bytes"].as_u64() > Some(0), "{report}");
}

/// Writing while a snapshot is held would copy all pairs.
#[test]
fn an_instance_that_is_kept_holds_no_state_while_that_is_written() {
    let runner = Runner::new(&counter(), crate::guests::quiet()).unwrap();
    let mut state = MemoryState::default();
    state.apply(&[(b"k".to_vec(), vec![1])]).unwrap();
    let place = |state: &MemoryState| std::ptr::from_ref(state.pairs());
    let before = place(&state);
    let mut kept = runner.start(&Input::new(1, &[]), &state).unwrap();
    for height in 2..=4 {
        kept = kept.next(&Input::new(height, &[]), &mut state).unwrap();
        assert_eq!(place(&state), before, "block {height}");
    }
    kept.commit(&mut state).unwrap();
    assert_eq!(state.pairs()[&b"n"[..]], b"xxxx");
}

/// Blocks as standard input has them, one a line.
fn in_hexadecimal(blocks: &[Vec<u8>]) -> String {
    blocks
        .iter()
        .map(|block| hexadecimal(block) + "\n")
        .collect()
}

#[test]
fn standard_input_and_other_chains() {
    let desk = Desk::new(0);
    let lines = in_hexadecimal(&chain(3));
    let mut child = desk
        .command("run counter.wasm --db db --input -")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(desk.counted(), (3, 3));

    fs::write(desk.path("any"), "no block at all").unwrap();
    fs::write(desk.path("more"), "nor this").unwrap();
    desk.refuses("--input any", &["any", "cut short"]);
    desk.succeeds("--raw --input any more");
    assert_eq!(desk.counted(), (5, 5));
    let said = desk.succeeds("--raw --height 4 --input any more");
    assert!(
        said.contains("blocks 4 to 5 are in the state already"),
        "{said}"
    );
    desk.refuses("--raw --height 4 --input more", &["block 4 (", "--reindex"]);
    let fresh = desk.steadfast("run counter.wasm --raw --input any");
    let said = String::from_utf8(fresh.stderr).unwrap();
    assert!(said.contains("--height N"), "{said}");
}

/// A module with a view that returns its input.
fn echo() -> Vec<u8> {
    module(
        r#"
        (memory (export "memory") 1)
        (func (export "_start"))
        (func (export "echo") (result i32)
            (i32.store (i32.const 512) (call $host_len))
            (call $load_input (i32.const 516))
            (i32.const 516))
        "#,
    )
}

#[test]
fn readers_read_at_the_tip_beside_a_writer_and_where_nobody_can_write() {
    let desk = Desk::new(3);
    desk.succeeds("--input blocks");
    fs::write(desk.path("echo.wasm"), echo()).unwrap();
    let view = || {
        let output = desk.steadfast("view echo.wasm --db db --view echo");
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(view(), ("03000000\n".into(), String::new()));
    let before = fs::read(desk.path("db")).unwrap();
    let mut writable = fs::metadata(desk.path("db")).unwrap().permissions();
    let mut sealed = writable.clone();
    sealed.set_readonly(true);
    fs::set_permissions(desk.path("db"), sealed).unwrap();
    assert_eq!(view().0, "03000000\n");
    assert!(desk.steadfast("digest db").status.success());
    assert_eq!(
        fs::read(desk.path("db")).unwrap(),
        before,
        "readers change nothing"
    );
    #[expect(clippy::permissions_set_readonly_false, reason = "it was writable")]
    writable.set_readonly(false);
    fs::set_permissions(desk.path("db"), writable).unwrap();
    // Beside one that has it open for writing, and after each of its commits.
    let mut held = RedbState::open(desk.path("db")).unwrap();
    assert_eq!(view().0, "03000000\n");
    held.write(
        &[],
        Some(steadfast_host::Tip {
            height: 9,
            hash: None,
        }),
    )
    .unwrap();
    assert_eq!(view().0, "09000000\n");
    drop(held);
}

#[test]
fn check_db_reads_every_page() {
    let desk = Desk::new(1);
    let mut state = RedbState::open(desk.path("db")).unwrap();
    let pairs = (0..2000u32).map(|key| (key.to_be_bytes().to_vec(), vec![7; 100]));
    state.apply(&pairs.collect::<Vec<_>>()).unwrap();
    drop(state);
    assert!(desk.steadfast("check-db db").status.success());
    let mut bytes = fs::read(desk.path("db")).unwrap();
    let at = bytes
        .windows(50)
        .position(|bytes| bytes == [7; 50])
        .unwrap();
    bytes[at] = 8;
    fs::write(desk.path("db"), bytes).unwrap();
    let output = desk.steadfast("check-db db");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("not a usable database"),
        "{said}"
    );
}

/// Bytes that this thread has read.
#[cfg(target_os = "linux")]
fn bytes_read() -> u64 {
    let io = fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn opening_and_the_digest_read_little_of_a_database() {
    let desk = Desk::new(0);
    let mut state = RedbState::open(desk.path("db")).unwrap();
    for round in 0..8u8 {
        let pairs =
            (0..2000u32).map(|key| ([&[round], &key.to_be_bytes()[..]].concat(), vec![1; 1000]));
        state.apply(&pairs.collect::<Vec<_>>()).unwrap();
    }
    drop(state);
    assert!(fs::metadata(desk.path("db")).unwrap().len() > 16 << 20);
    let before = bytes_read();
    let mut state = RedbState::open(desk.path("db")).unwrap();
    state_digest(&state).unwrap();
    state.apply(&[(b"k".to_vec(), vec![1])]).unwrap();
    drop(state);
    let state = RedbState::open_read_only(desk.path("db")).unwrap();
    state_digest(&state).unwrap();
    let read = bytes_read() - before;
    assert!(read < 1 << 20, "{read} bytes were read");
}

/// The most memory that a run took.
#[cfg(target_os = "linux")]
fn peak(desk: &Desk, to: u32) -> u64 {
    let output = desk.steadfast(&format!("run counter.wasm --input blocks --to {to} --json"));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["blocks"], to);
    report["host"]["peak_bytes"].as_u64().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_large_blocks_take_little_more_memory_than_one() {
    const LARGE: usize = 1_750_000;
    let desk = Desk::new(100);
    for height in 1..=100 {
        let path = desk.path(&format!("blocks/{height}"));
        let block = fs::read(&path).unwrap();
        // The one output's script, ahead of the lock time.
        let (before, lock_time) = block.split_at(block.len() - 4);
        let script = &before[..before.len() - 1];
        let length = [&[0xfe], &(LARGE as u32).to_le_bytes()[..]].concat();
        fs::write(
            &path,
            [script, &length, &vec![0x6a; LARGE], lock_time].concat(),
        )
        .unwrap();
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
    let desk = Desk::new(3);
    let output = desk.steadfast("run counter.wasm --input blocks --progress json --json");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4);
    let blocks: Vec<_> = lines[..3]
        .iter()
        .map(|line| line["block"].as_u64().unwrap())
        .collect();
    assert_eq!(blocks, [1, 2, 3]);
    assert_eq!(lines[2]["state_digest"], lines[3]["state_digest"]);
    assert_eq!(lines[2]["written_pairs"], 1);
    assert_eq!(lines[2]["hash"].as_str().unwrap().len(), 64);
}

/// A module that leaves an image of a cache: the one that it begins with.
fn cached() -> Vec<u8> {
    const AT: u32 = 1 << 16;
    let fields = [(offset_of!(InstanceInfo, region_start), AT)];
    let region = include_bytes!("../../../tests/golden/region-3.bin");
    let items = format!(
        r#"{} (data (i32.const {AT}) "{}")"#,
        info_items(&fields),
        escaped(region)
    );
    module_that_writes(r#"(memory (export "memory") 8)"#, &items, "")
}

#[test]
fn an_image_that_cannot_be_written_is_a_warning() {
    let desk = Desk::new(2);
    fs::write(desk.path("counter.wasm"), cached()).unwrap();
    let said = desk.succeeds("--input blocks/1 --warm image --warm-every 1");
    assert_eq!(said, "");
    assert!(desk.path("image").exists());
    let said = desk.succeeds("--input blocks/2 --warm gone/image");
    assert!(
        said.contains("the cache is not kept for the next run"),
        "{said}"
    );
    assert_eq!(said.matches("(os error").count(), 1, "{said}");
    assert_eq!(desk.counted().1, 2);
    // At the last block it is due, and the run ends: that is one attempt.
    let said = desk.succeeds("--input blocks/2 --reindex --warm gone/image --warm-every 1");
    assert_eq!(said.matches("is not kept").count(), 1, "{said}");
}

#[test]
fn many_runs_with_one_image_disturb_none() {
    let desk = Desk::new(20);
    fs::write(desk.path("counter.wasm"), cached()).unwrap();
    let run = |number| {
        let arguments =
            format!("run counter.wasm --db db{number} --input blocks --warm image --warm-every 1");
        let mut command = desk.command(&arguments);
        command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let runs: Vec<_> = (0..8).map(run).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let names = fs::read_dir(desk.0.path()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.ends_with(".partial")));
}

/// Every command whose reader goes away after the first bytes, or before.
#[test]
fn a_closed_pipe_is_no_panic() {
    let desk = Desk::new(40);
    desk.succeeds("--input blocks --to 2");
    fs::write(desk.path("echo.wasm"), echo()).unwrap();
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
        let mut said = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        child.wait().unwrap();
        assert!(!said.contains("panicked"), "{arguments}: {said}");
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

#[cfg(unix)]
mod signals {
    use super::*;
    use crate::guests::send;
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, ExitStatus};
    use std::thread::sleep;
    use std::time::{Duration, Instant};

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
            let desk = Desk::new(2);
            desk.succeeds("--input blocks/1");
            fs::write(desk.path("slow.wasm"), slow()).unwrap();
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
            assert_eq!(desk.counted(), (1, 1));
        }
    }

    #[test]
    fn a_signal_ends_the_wait_for_the_next_block() {
        // With nothing at hand, and with a part of a block.
        for (signal, blocks, part) in [("-INT", 2, ""), ("-TERM", 1, "00ab")] {
            let desk = Desk::new(0);
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
            assert_eq!(desk.counted(), (count, blocks));
        }
    }
}
