//! The command `run`, and what it does with bad input: one clear line, a failure, and the state as
//! it was.

use std::fs;
use std::mem::offset_of;

use crate::desk::{Desk, one_line_with, said};
use crate::guests::*;
use steadfast::format::{InstanceInfo, Reservation};
use steadfast::{Bytes, Plan};

#[test]
fn the_state_is_kept_from_run_to_run_and_the_figures_are_told() {
    let desk = Desk::with_state();
    let before = desk.digest();
    let output = desk.run("counter.wasm --input block --reindex --ceiling 1MiB --fuel");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "quiet when piped");
    let digest = desk.digest();
    assert_ne!(digest, before);
    for row in [
        "ceiling ",
        "1 MiB",
        "memory.grow ",
        "fuel ",
        &digest.to_string(),
    ] {
        assert!(table.contains(row), "`{row}` is missing in:\n{table}");
    }
    let columns: Vec<_> = table
        .lines()
        .map(|line| line.len() - line.split_once("  ").unwrap().1.trim_start().len())
        .collect();
    assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{table}");
}

#[test]
fn json_has_the_same_figures() {
    let desk = Desk::with_state();
    let report = desk.json("run counter.wasm --input block --input block --db db --reindex");
    assert_eq!(report["blocks"], 2);
    assert_eq!(report["imports"]["gets"], 2);
    assert_eq!(report["last"]["height"], 702_861);
    assert_eq!(report["state_digest"], desk.digest().to_string());
}

#[test]
fn bad_blocks_are_refused_before_anything_runs() {
    let desk = Desk::with_state();
    let block = small_block(2);
    desk.write("cut", &block[..block.len() - 1]);
    desk.write("long", [&block[..], b"?"].concat());
    desk.write("empty", b"");
    fs::create_dir(desk.path("folder")).unwrap();
    for (input, words) in [
        ("cut", ["cut", "cut short after 1 of 2"]),
        ("long", ["long", "1 bytes are left over"]),
        ("empty", ["empty", "the file is empty"]),
        ("none", ["none", "No such file"]),
        ("folder", ["folder", "holds no file"]),
        // A place that is missing is told before anything runs, also behind a good block.
        ("block --input missing", ["missing", "No such file"]),
    ] {
        desk.refuses(&format!("counter.wasm --reindex --input {input}"), &words);
    }
}

#[test]
fn bad_modules_are_refused() {
    let desk = Desk::with_state();
    desk.write("no-memory", module(r#"(func (export "_start"))"#));
    desk.write("no-start", module(r#"(memory (export "memory") 1)"#));
    let import = r#"(module (import "wasi_snapshot_preview2" "run" (func)) (memory (export "memory") 1) (func (export "_start")))"#;
    desk.write("import", wat::parse_str(import).unwrap());
    desk.write("text", b"hello");
    desk.write("component", wat::parse_str("(component)").unwrap());
    for (name, word) in [
        ("no-memory", "memory"),
        ("no-start", "`_start`"),
        ("import", "`wasi_snapshot_preview2::run`"),
        ("text", "not a valid WebAssembly module"),
        ("component", "core module"),
        ("none", "No such file"),
    ] {
        desk.refuses(&format!("{name} --input block --reindex"), &[name, word]);
    }
}

#[test]
fn a_trap_in_the_middle_of_a_block_changes_nothing() {
    let desk = Desk::with_state();
    desk.write("trap", counter_that("(drop (i32.load (i32.const -1)))"));
    let silent = r#"(memory (export "memory") 1) (func (export "_start"))"#;
    desk.write("silent", module(silent));
    for (name, word) in [
        ("trap", "out of bounds"),
        ("silent", "without calling __flush"),
    ] {
        let arguments = format!("{name} --input block --reindex");
        desk.refuses(&arguments, &["702861", word]);
    }
}

#[test]
fn the_fuel_of_a_block_that_failed_is_told() {
    let desk = Desk::with_state();
    desk.write("traps.wasm", counter_that("unreachable"));
    let said = said(&desk.run("traps.wasm --input block --reindex --fuel"));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    let fuel = lines[0]
        .strip_prefix("steadfast: block 702861 ran ")
        .and_then(|rest| rest.strip_suffix(" instructions before it failed"));
    let fuel: u64 = fuel.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert!(fuel > 20, "{said}");
    desk.refuses("traps.wasm --input block --reindex", &["unreachable"]);
}

#[test]
fn ceilings_that_are_too_low_are_told_with_what_is_needed() {
    let desk = Desk::with_state();
    let plan = Plan::DEFAULT.with_region_base(Bytes::mib(64)).checked();
    let section = format!(
        r#"(@custom "{}" "{}")"#,
        Plan::SECTION,
        escaped(&plan.encode())
    );
    let body = r#"(memory (export "memory") 1) (func (export "_start"))"#;
    desk.write("planned", module(&format!("{section} {body}")));
    let below: [(_, &[&str]); 3] = [
        ("counter.wasm --ceiling 65535", &["at least 65536"]),
        ("counter.wasm --pregrow 17 --ceiling 1MiB", &["1114112"]),
        (
            "planned --ceiling 67043328",
            &["heap budget", "at least 67108864", "64 MiB"],
        ),
    ];
    for (arguments, words) in below {
        desk.refuses(&format!("{arguments} --input block --reindex"), words);
    }
}

#[test]
fn an_exhausted_heap_is_one_line() {
    let desk = Desk::with_state();
    let fields = [
        (
            offset_of!(InstanceInfo, state),
            Reservation::Reserved as u32,
        ),
        (offset_of!(InstanceInfo, exhausted_count), 1),
        (offset_of!(InstanceInfo, exhausted_request), 4096),
    ];
    let memory = r#"(memory (export "memory") 1)"#;
    let module = module_that_writes(memory, &info_items(&fields), "unreachable");
    desk.write("exhausted", module);
    desk.refuses(
        "exhausted --input block --reindex",
        &[
            "the heap is exhausted: request of 4096 bytes",
            "steadfast profile",
        ],
    );
}

#[test]
fn arguments_that_mean_nothing_are_refused() {
    let desk = Desk::with_state();
    let before = desk.digest();
    for bad in [
        "--ceiling 1XB",
        "--cache some",
        "--refuse-grow 0",
        "--pregrow 65537",
        "--env novalue",
    ] {
        let output = desk.run(&format!("counter.wasm --input block --reindex {bad}"));
        assert_eq!(output.status.code(), Some(2), "{bad}");
    }
    assert_eq!(desk.digest(), before);
}

#[test]
fn a_view_is_printed_in_hexadecimal() {
    let desk = Desk::with_state();
    let before = desk.digest();
    let view = module(
        r#"
        (memory (export "memory") 1)
        (data (i32.const 16) "\01\00\00\00n")
        (func (export "_start"))
        (func (export "n") (result i32)
            (i32.store (i32.const 512) (i32.add (call $host_len) (call $get_len (i32.const 20))))
            (call $load_input (i32.const 516))
            (call $get (i32.const 20) (i32.add (i32.const 516) (call $host_len)))
            (i32.const 516))
        "#,
    );
    desk.write("view", view);
    let answer = |arguments: &str| {
        let output = desk.steadfast(&format!("view view --view n {arguments}"));
        let printed = String::from_utf8(output.stdout.clone()).unwrap();
        (printed, said(&output))
    };
    let quietly = |hexadecimal: &str| (format!("{hexadecimal}\n"), String::new());
    let at_height = answer("--db db --input-hex AaBb --height 258");
    assert_eq!(at_height, quietly("02010000aabb78"));
    assert_eq!(answer("--db db"), quietly("8db90a0078"), "at the tip");
    let (printed, warning) = answer("");
    assert_eq!(printed, "00000000\n");
    assert!(warning.contains("asked at height 0"), "{warning}");
    for (question, word) in [
        ("m", "no function `m`"),
        ("n --input-hex abc", "hexadecimal"),
    ] {
        let output = desk.steadfast(&format!("view view --db db --view {question}"));
        one_line_with(&output, &[word]);
    }
    let hash = "0".repeat(64);
    let output = desk.steadfast(&format!("view view --view n --db db --height {hash}"));
    let told = said(&output);
    assert!(
        !output.status.success() && told.contains("a height is wanted"),
        "{told}"
    );
    assert_eq!(desk.digest(), before);
}
