//! The database that a run writes: who reads it meanwhile, how much of it is read, and what is
//! refused as one.

use std::fs;

use crate::desk::{Desk, one_line_with, said};
use crate::guests::{counter, echo, quiet};
use steadfast_host::{Input, MemoryState, RedbState, Runner, State as _, Tip, state_digest};

#[test]
fn a_locked_database_is_refused() {
    let desk = Desk::with_state();
    let before = desk.digest();
    let held = RedbState::open(desk.path("db")).unwrap();
    let output = desk.run("counter.wasm --input block --reindex");
    one_line_with(&output, &["db", "another process"]);
    assert_eq!(state_digest(&held).unwrap(), before);
}

#[test]
fn files_that_are_no_database_are_refused_and_left_alone() {
    let desk = Desk::with_state();
    let database = desk.read("db");
    let mut damaged = database.clone();
    damaged[..16].fill(0);
    for bytes in [
        &b"hello"[..],
        &[0; 8192],
        &damaged,
        &database[..database.len() / 2],
    ] {
        desk.write("db", bytes);
        one_line_with(&desk.run("counter.wasm --input block --reindex"), &["db"]);
        assert_eq!(desk.read("db"), bytes);
    }
}

/// Writing while a snapshot is held would copy all pairs.
#[test]
fn an_instance_that_is_kept_holds_no_state_while_that_is_written() {
    let runner = Runner::new(&counter(), quiet()).unwrap();
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

#[test]
fn readers_read_at_the_tip_beside_a_writer_and_where_nobody_can_write() {
    let desk = Desk::with_blocks(3);
    desk.succeeds("counter.wasm --input blocks");
    desk.write("echo.wasm", echo());
    let view = || {
        let output = desk.steadfast("view echo.wasm --db db --view echo");
        assert_eq!(said(&output), "");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(view(), "03000000\n");
    let before = desk.read("db");
    let mut writable = fs::metadata(desk.path("db")).unwrap().permissions();
    let mut sealed = writable.clone();
    sealed.set_readonly(true);
    fs::set_permissions(desk.path("db"), sealed).unwrap();
    assert_eq!(view(), "03000000\n");
    assert!(desk.steadfast("digest db").status.success());
    assert_eq!(desk.read("db"), before, "readers change nothing");
    #[expect(clippy::permissions_set_readonly_false, reason = "it was writable")]
    writable.set_readonly(false);
    fs::set_permissions(desk.path("db"), writable).unwrap();
    // Beside one that has it open for writing, and after each of its commits.
    let mut held = RedbState::open(desk.path("db")).unwrap();
    assert_eq!(view(), "03000000\n");
    let (height, hash) = (9, None);
    held.write(&[], Some(Tip { height, hash })).unwrap();
    assert_eq!(view(), "09000000\n");
    drop(held);
}

#[test]
fn check_db_reads_every_page() {
    let desk = Desk::with_state();
    let mut state = RedbState::open(desk.path("db")).unwrap();
    let pairs = (0..2000u32).map(|key| (key.to_be_bytes().to_vec(), vec![7; 100]));
    state.apply(&pairs.collect::<Vec<_>>()).unwrap();
    drop(state);
    assert!(desk.steadfast("check-db db").status.success());
    let mut bytes = desk.read("db");
    let values = bytes.windows(50).position(|bytes| bytes == [7; 50]);
    bytes[values.unwrap()] = 8;
    desk.write("db", bytes);
    let output = desk.steadfast("check-db db");
    assert!(!output.status.success());
    let said = said(&output);
    assert!(said.contains("not a usable database"), "{said}");
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
    let desk = Desk::new();
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
