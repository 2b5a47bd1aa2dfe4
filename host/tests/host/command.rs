//! The command, and what it does with bad input: one clear line, a failure, and the state as it
//! was.

use std::collections::BTreeMap;
use std::fs;
use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::guests::*;
use crate::warm::guest;
use steadfast::format::{AttachError, InstanceInfo, Reservation, Start};
use steadfast::{Bytes, Plan};
use steadfast_host::{
    AsOf as _, BlockTag, Compression, Digest, Input, RedbState, RegionImage, module_digest,
    state_digest,
};
use tempfile::TempDir;

/// A directory with a module, a block, and a database in which the block is indexed once.
struct Desk {
    directory: TempDir,
    digest: Digest,
}

impl Desk {
    fn new() -> Self {
        let mut desk = Desk {
            directory: tempfile::tempdir().unwrap(),
            digest: Digest([0; 32]),
        };
        desk.write("counter.wasm", &counter());
        desk.write("block", &small_block(2));
        let output = desk.run("counter.wasm", "block", &[]);
        assert!(output.status.success(), "{output:?}");
        desk.digest = desk.read_digest();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn run(&self, module: &str, input: &str, more: &[&str]) -> Output {
        let arguments = [
            "run",
            &text_of(&self.path(module)),
            "--input",
            &text_of(&self.path(input)),
            "--db",
            &text_of(&self.path("db")),
            // One block serves again and again.
            "--reindex",
        ];
        steadfast(&[&arguments[..], more].concat())
    }

    fn read_digest(&self) -> Digest {
        state_digest(&RedbState::open_read_only(self.path("db")).unwrap()).unwrap()
    }

    /// Runs, and checks that it fails with one line that has these words, and changes no state.
    fn refuses(&self, module: &str, input: &str, more: &[&str], words: &[&str]) {
        one_line_with(&self.run(module, input, more), words);
        assert_eq!(self.read_digest(), self.digest, "the state was changed");
    }
}

fn text_of(path: &Path) -> String {
    path.to_str()
        .expect("a temporary path in UTF-8")
        .to_string()
}

fn one_line_with(output: &Output, words: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(message.lines().count(), 1, "{message}");
    let reasons = message.matches("(os error").count();
    assert!(
        reasons <= 1,
        "the reason is told {reasons} times: {message}"
    );
    for word in words {
        assert!(message.contains(word), "`{word}` is missing in: {message}");
    }
}

#[test]
fn the_state_is_kept_from_run_to_run_and_the_figures_are_told() {
    let desk = Desk::new();
    let output = desk.run("counter.wasm", "block", &["--ceiling", "1MiB", "--fuel"]);
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.stderr.is_empty(), "quiet when piped");
    let digest = desk.read_digest();
    assert_ne!(digest, desk.digest);
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
    let desk = Desk::new();
    let block = text_of(&desk.path("block"));
    let output = desk.run("counter.wasm", "block", &["--json", "--input", &block]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["blocks"], 2);
    assert_eq!(report["imports"]["gets"], 2);
    assert_eq!(report["last"]["height"], 702_861);
    assert_eq!(report["state_digest"], desk.read_digest().to_string());
}

#[test]
fn bad_blocks_are_refused_before_anything_runs() {
    let desk = Desk::new();
    let block = small_block(2);
    desk.write("cut", &block[..block.len() - 1]);
    desk.write("long", &[&block[..], b"?"].concat());
    desk.write("empty", b"");
    desk.refuses(
        "counter.wasm",
        "cut",
        &[],
        &["cut", "cut short after 1 of 2"],
    );
    desk.refuses(
        "counter.wasm",
        "long",
        &[],
        &["long", "1 bytes are left over"],
    );
    desk.refuses(
        "counter.wasm",
        "empty",
        &[],
        &["empty", "the file is empty"],
    );
    desk.refuses("counter.wasm", "none", &[], &["none", "No such file"]);
    fs::create_dir(desk.path("folder")).unwrap();
    desk.refuses("counter.wasm", "folder", &[], &["holds no file"]);
    // A place that is missing is told before anything runs, also behind a good block.
    let missing = text_of(&desk.path("missing"));
    desk.refuses(
        "counter.wasm",
        "block",
        &["--input", &missing],
        &["missing"],
    );
}

#[test]
fn bad_modules_are_refused() {
    let desk = Desk::new();
    let cases = [
        ("no memory", r#"(func (export "_start"))"#, "memory"),
        ("no start", r#"(memory (export "memory") 1)"#, "`_start`"),
    ];
    for (name, body, word) in cases {
        desk.write(name, &module(body));
        desk.refuses(name, "block", &[], &[name, word]);
    }
    let import = r#"(module (import "wasi_snapshot_preview2" "run" (func)) (memory (export "memory") 1) (func (export "_start")))"#;
    desk.write("import", &wat::parse_str(import).unwrap());
    desk.refuses("import", "block", &[], &["`wasi_snapshot_preview2::run`"]);
    desk.write("text", b"hello");
    desk.refuses("text", "block", &[], &["not a valid WebAssembly module"]);
    desk.refuses("none", "block", &[], &["none", "No such file"]);
}

#[test]
fn a_trap_in_the_middle_of_a_block_changes_nothing() {
    let desk = Desk::new();
    desk.write("trap", &counter_that("(drop (i32.load (i32.const -1)))"));
    desk.refuses("trap", "block", &[], &["702861", "out of bounds"]);
    desk.write(
        "no flush",
        &module(r#"(memory (export "memory") 1) (func (export "_start"))"#),
    );
    desk.refuses("no flush", "block", &[], &["without calling __flush"]);
}

#[test]
fn the_fuel_of_a_block_that_failed_is_told() {
    let desk = Desk::new();
    desk.write("traps.wasm", &counter_that("unreachable"));
    let output = desk.run("traps.wasm", "block", &["--fuel"]);
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    let fuel = lines[0]
        .strip_prefix("steadfast: block 702861 ran ")
        .and_then(|rest| rest.strip_suffix(" instructions before it failed"));
    let fuel: u64 = fuel.unwrap_or_else(|| panic!("{said}")).parse().unwrap();
    assert!(fuel > 20, "{said}");
    desk.refuses("traps.wasm", "block", &[], &["unreachable"]);
}

#[test]
fn ceilings_that_are_too_low_are_told_with_what_is_needed() {
    let desk = Desk::new();
    desk.refuses(
        "counter.wasm",
        "block",
        &["--ceiling", "65535"],
        &["at least 65536"],
    );
    desk.refuses(
        "counter.wasm",
        "block",
        &["--pregrow", "17", "--ceiling", "1MiB"],
        &["1114112"],
    );

    let plan = Plan::DEFAULT.with_region_base(Bytes::mib(64)).checked();
    let section = format!(
        r#"(@custom "{}" "{}")"#,
        Plan::SECTION,
        escaped(&plan.encode())
    );
    let body = r#"(memory (export "memory") 1) (func (export "_start"))"#;
    desk.write("planned", &module(&format!("{section} {body}")));
    let below = ["--ceiling", "67043328"];
    desk.refuses(
        "planned",
        "block",
        &below,
        &["heap budget", "at least 67108864", "64 MiB"],
    );
}

#[test]
fn an_exhausted_heap_is_one_line() {
    let desk = Desk::new();
    let fields = [
        (
            offset_of!(InstanceInfo, state),
            Reservation::Reserved as u32,
        ),
        (offset_of!(InstanceInfo, exhausted_count), 1),
        (offset_of!(InstanceInfo, exhausted_request), 4096),
    ];
    let memory = r#"(memory (export "memory") 1)"#;
    let module = module_that_writes(memory, &record_items(&fields), "unreachable");
    desk.write("exhausted", &module);
    desk.refuses(
        "exhausted",
        "block",
        &[],
        &[
            "the heap is exhausted: request of 4096 bytes",
            "steadfast profile",
        ],
    );
}

#[test]
fn a_locked_database_is_refused() {
    let desk = Desk::new();
    let held = RedbState::open(desk.path("db")).unwrap();
    one_line_with(
        &desk.run("counter.wasm", "block", &[]),
        &["db", "another process"],
    );
    assert_eq!(state_digest(&held).unwrap(), desk.digest);
}

#[test]
fn files_that_are_no_database_are_refused_and_left_alone() {
    let desk = Desk::new();
    let database = fs::read(desk.path("db")).unwrap();
    let mut damaged = database.clone();
    damaged[..16].fill(0);
    for bytes in [
        &b"hello"[..],
        &[0; 8192],
        &damaged,
        &database[..database.len() / 2],
    ] {
        desk.write("db", bytes);
        one_line_with(&desk.run("counter.wasm", "block", &[]), &["db"]);
        assert_eq!(fs::read(desk.path("db")).unwrap(), bytes);
    }
}

#[test]
fn arguments_that_mean_nothing_are_refused() {
    let desk = Desk::new();
    for bad in [
        ["--ceiling", "1XB"],
        ["--cache", "some"],
        ["--refuse-grow", "0"],
        ["--pregrow", "65537"],
        ["--env", "novalue"],
    ] {
        let output = desk.run("counter.wasm", "block", &bad);
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
    }
    assert_eq!(desk.read_digest(), desk.digest);
}

#[test]
fn a_view_is_printed_in_hexadecimal() {
    let desk = Desk::new();
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
    desk.write("view", &view);
    let (module, db) = (text_of(&desk.path("view")), text_of(&desk.path("db")));
    let view = |more: &[&str]| steadfast(&[&["view", &module, "--db", &db], more].concat());
    let output = view(&["--view", "n", "--input-hex", "AaBb", "--height", "258"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "02010000aabb78\n");
    assert!(output.stderr.is_empty(), "{output:?}");
    let output = view(&["--view", "n"]);
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "8db90a0078\n",
        "at the tip"
    );
    assert!(output.stderr.is_empty(), "{output:?}");
    let output = steadfast(&["view", &module, "--view", "n"]);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "00000000\n");
    let warning = String::from_utf8_lossy(&output.stderr);
    assert!(warning.contains("asked at height 0"), "{output:?}");
    one_line_with(&view(&["--view", "m"]), &["no function `m`"]);
    one_line_with(
        &view(&["--view", "n", "--input-hex", "abc"]),
        &["hexadecimal"],
    );
    let hash = "0".repeat(64);
    let output = view(&["--view", "n", "--height", &hash]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("a height is wanted"),
        "{said}"
    );
    assert_eq!(desk.read_digest(), desk.digest);
}

#[test]
fn what_is_not_built_on_steadfast_has_nothing_to_show() {
    let desk = Desk::new();
    let (module, block) = (desk.path("counter.wasm"), desk.path("block"));
    let (module, block) = (text_of(&module), text_of(&block));
    let input = ["--input", &block];
    one_line_with(&steadfast(&["map", &module]), &["no plan", "plan!"]);
    for command in ["map", "stats"] {
        let output = steadfast(&[&[command, &module], &input[..]].concat());
        one_line_with(&output, &["keeps no record"]);
    }
    let output = steadfast(&[&["size", &module], &input[..]].concat());
    one_line_with(&output, &["steadfast_record"]);
}

/// A picture takes the place of a file that is there: its other names keep what it has.
#[test]
fn a_curve_leaves_what_a_hard_link_shares() {
    let desk = Desk::new();
    desk.write("kept", b"pairs");
    fs::hard_link(desk.path("kept"), desk.path("svg")).unwrap();
    let (block, svg) = (text_of(&desk.path("block")), text_of(&desk.path("svg")));
    let module = guest("indexer_metashrew");
    let module = module.to_str().unwrap();
    let output = steadfast(&["size", module, "--input", &block, "--svg", &svg]);
    assert!(output.status.success(), "{output:?}");
    assert!(fs::read_to_string(svg).unwrap().contains("<polyline"));
    assert_eq!(fs::read_to_string(desk.path("kept")).unwrap(), "pairs");
}

#[test]
fn stats_reads_a_file_that_holds_a_memory_or_a_region() {
    let desk = Desk::new();
    desk.write("neither", &[7; 70_000]);
    let neither = text_of(&desk.path("neither"));
    let output = steadfast(&["stats", "--memory-file", &neither]);
    one_line_with(&output, &["neither a memory", "magic number"]);
    let mut memory = vec![0; 70_000];
    memory[4096..4104].copy_from_slice(&InstanceInfo::MAGIC.to_le_bytes());
    memory[4104] = InstanceInfo::VERSION as u8;
    memory[4108] = InstanceInfo::LEN as u8;
    let budget = 4096 + offset_of!(InstanceInfo, heap_len);
    memory[budget..budget + 4].copy_from_slice(&65536_u32.to_le_bytes());
    desk.write("memory", &memory);
    let memory = text_of(&desk.path("memory"));
    let output = steadfast(&["stats", "--memory-file", &memory, "--prometheus"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("\nsteadfast_heap_budget_bytes 65536\n"),
        "{output:?}"
    );
    let output = steadfast(&["map", "--memory-file", &memory]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("nothing allocated yet"), "{output:?}");
}

/// A region, as it stands in an instance.
const REGION: &[u8] = include_bytes!("../../../tests/golden/region-3.bin");

fn json(arguments: &[&str]) -> serde_json::Value {
    let output = steadfast(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn stats_and_map_read_what_run_keeps_warm() {
    const AT: u32 = 1 << 16;
    let desk = Desk::new();
    let memory = [&vec![0; AT as usize], REGION].concat();
    let image = RegionImage::capture(&memory, AT, Digest([7; 32])).unwrap();
    let info = image.info();
    let state = Digest([9; 32]);
    desk.write("region", REGION);
    image
        .write(&desk.path("plain"), state, Compression::None)
        .unwrap();
    image
        .write(&desk.path("compressed"), state, Compression::Lz4)
        .unwrap();
    assert_ne!(
        fs::read(desk.path("plain")).unwrap(),
        fs::read(desk.path("compressed")).unwrap()
    );
    for (name, start) in [("region", 0), ("plain", AT), ("compressed", AT)] {
        let path = text_of(&desk.path(name));
        let seen = json(&["stats", "--memory-file", &path]);
        assert_eq!(seen["cache"]["entries"], info.stats.entries, "{name}");
        assert_eq!(seen["cache"]["used_bytes"], info.stats.used_bytes, "{name}");
        if start > 0 {
            assert_eq!(seen["image"]["module"], image.module().to_string());
            assert_eq!(seen["image"]["state_digest"], state.to_string());
        }
        let map = json(&["map", "--memory-file", &path]);
        assert_eq!(map["rows"][0]["start"], start, "{name}");
        let sum = |rows: &serde_json::Value, of: &str| -> u64 {
            let rows = rows.as_array().unwrap().iter();
            rows.map(|row| row[of].as_u64().unwrap()).sum()
        };
        assert_eq!(
            sum(&map["ages"], "entries"),
            u64::from(info.stats.entries),
            "{name}"
        );
        let buckets = map["index"]["buckets"].as_array().unwrap().iter();
        let held = (0..).zip(buckets);
        let held: u64 = held
            .map(|(held, number)| held * number.as_u64().unwrap())
            .sum();
        assert_eq!(held, u64::from(info.stats.entries), "{name}");
    }
    let mut damaged = fs::read(desk.path("compressed")).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    desk.write("damaged", &damaged);
    for command in ["stats", "map"] {
        let output = steadfast(&[command, "--memory-file", &text_of(&desk.path("damaged"))]);
        one_line_with(&output, &["damaged", "not a usable image"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("replaces it"), "nothing runs here: {said}");
    }
    let damaged = text_of(&desk.path("damaged"));
    let output = desk.run("counter.wasm", "block", &["--warm", &damaged]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("this run leaves replaces it"), "{said}");
}

#[test]
fn a_live_map_is_drawn_after_each_block() {
    let desk = Desk::new();
    desk.write("recorded", &recorded(&[], ""));
    let (module, block) = (desk.path("recorded"), desk.path("block"));
    let (module, block) = (text_of(&module), text_of(&block));
    let draw = |more: &[&str]| {
        let output = steadfast(&[&["map", &module, "--input", &block, &block], more].concat());
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.matches("after block 702861").count()
    };
    assert_eq!((draw(&[]), draw(&["--live"])), (1, 2));
}

/// A module that is built on steadfast, with these fields in its record.
fn recorded(fields: &[(usize, u32)], code: &str) -> Vec<u8> {
    let heap = [(offset_of!(InstanceInfo, heap_len), 65536)];
    let items = record_items(&[&heap, fields].concat());
    module_that_writes(r#"(memory (export "memory") 1)"#, &items, code)
}

#[test]
fn a_block_that_stops_has_counters_and_a_map() {
    let desk = Desk::new();
    desk.write("stops.wasm", &recorded(&[], "unreachable"));
    let (module, block) = (desk.path("stops.wasm"), desk.path("block"));
    for (command, words) in [
        ("map", "stops, stopped in block 702861\n"),
        ("stats", "\nmemory.grow "),
    ] {
        let output = steadfast(&[command, &text_of(&module), "--input", &text_of(&block)]);
        let shown = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{said}");
        assert!(shown.contains(words), "{shown}");
        assert!(said.contains("block 702861 failed"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn heights_that_were_left_out_are_told() {
    let desk = Desk::new();
    desk.write("recorded", &recorded(&[], ""));
    let module = text_of(&desk.path("recorded"));
    for (name, height) in [("5", 5_u32), ("6", 6), ("9", 9)] {
        let block = [&height.to_le_bytes()[..], &small_block(1)].concat();
        desk.write(name, &block);
    }
    let said = |command, first: &str, second: &str| {
        let blocks = [first, second].map(|name| text_of(&desk.path(name)));
        let output = steadfast(&[command, &module, "--input", &blocks[0], &blocks[1]]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    for command in ["stats", "map"] {
        assert_eq!(said(command, "5", "6"), "");
        let words = "heights 7 to 8 were left out";
        let told = said(command, "6", "9");
        assert!(told.contains(words) && told.contains("block 9"), "{told}");
    }
}

#[test]
fn a_run_tells_which_blocks_began_cold_and_what_to_do() {
    let desk = Desk::new();
    let cold = Start::Cold(AttachError::NoImage).code();
    for (name, code) in [("cold", cold), ("warm", Start::Walked.code()), ("none", 0)] {
        desk.write(
            name,
            &recorded(&[(offset_of!(InstanceInfo, cache_start), code)], ""),
        );
    }
    let run = |name: &str, more: &[&str]| {
        let (module, block) = (text_of(&desk.path(name)), text_of(&desk.path("block")));
        let arguments = ["run", &module, "--input", &block];
        let output = steadfast(&[&arguments, more].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(run("cold", &[]).contains("--warm FILE"));
    assert!(run("cold", &["--cold"]).contains("leave it out"));
    let [image, db] = ["image", "new-db"].map(|name| text_of(&desk.path(name)));
    let kept = ["--warm", &image, "--db", &db];
    assert!(!run("cold", &kept).contains("empty"));
    let told = run("cold", &kept[..2]);
    assert!(
        told.contains("--db PATH") && told.contains("the next run cannot"),
        "{told}"
    );
    assert_eq!(
        (run("warm", &[]), run("none", &[])),
        (String::new(), String::new())
    );
    let (module, block) = (text_of(&desk.path("cold")), text_of(&desk.path("block")));
    let report = json(&["run", &module, "--input", &block]);
    assert_eq!(report["cold_blocks"], 1);
    assert_eq!(
        report["last"]["observed"]["cache_start"],
        "cold: no image stands in the region"
    );
}

#[test]
fn a_module_with_an_allocator_of_its_own_is_told() {
    let desk = Desk::new();
    let own = "none: the module has its own allocator";
    let row = |output: Output, name: &str| {
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(
            !table.is_empty(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let row = table.lines().find(|line| line.starts_with(name));
        row.map(|row| row[name.len()..].trim().to_string())
    };
    let ran = desk.run("counter.wasm", "block", &[]);
    assert_eq!(row(ran, "plan").as_deref(), Some(own));
    // It has reserved a region, and no heap.
    desk.write(
        "reserves",
        &recorded(&[(offset_of!(InstanceInfo, heap_len), 0)], ""),
    );
    let (module, block) = (desk.path("reserves"), desk.path("block"));
    let shown = steadfast(&["stats", &text_of(&module), "--input", &text_of(&block)]);
    assert_eq!(row(shown, "heap").as_deref(), Some(own));
}

#[test]
fn a_module_whose_sections_were_stripped_is_told_by_its_record() {
    let desk = Desk::new();
    let fields = [(offset_of!(InstanceInfo, heap_len), 65536)];
    let memory = r#"(memory (export "memory") 1)"#;
    let compiler = r#"(@custom "producers" "\00")"#;
    for (name, section, words) in [
        (
            "stripped",
            "",
            "its plan with them: keep the section `steadfast.plan`",
        ),
        ("without a plan", compiler, "the module has no plan"),
    ] {
        let items = format!("{} {section}", record_items(&fields));
        desk.write(name, &module_that_writes(memory, &items, ""));
        let output = steadfast(&["map", &text_of(&desk.path(name))]);
        one_line_with(&output, &[words]);
        let output = desk.run(name, "block", &[]);
        let table = String::from_utf8_lossy(&output.stdout);
        let told = table.contains("stripped, with the module's custom sections");
        assert_eq!(told, name == "stripped", "{table}");
    }
}

#[test]
fn a_run_that_fails_tells_that_the_module_was_stripped() {
    let desk = Desk::new();
    let fields = [(offset_of!(InstanceInfo, heap_len), 65536)];
    let memory = r#"(memory (export "memory") 1)"#;
    let items = record_items(&fields);
    let compiler = format!(r#"{items} (@custom "producers" "\00")"#);
    for (name, items) in [("stripped", &items), ("with its sections", &compiler)] {
        desk.write(name, &module_that_writes(memory, items, "(unreachable)"));
        let output = desk.run(name, "block", &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains("failed") && said.contains("unreachable"),
            "{said}"
        );
        let told = said.contains("custom sections were stripped");
        assert_eq!(told, name == "stripped", "{said}");
        one_line_with(&output, &["block 702861 failed"]);
    }
}

/// What stands in a directory: names and bytes, or where a link leads. Of a database, that it is
/// one: its bytes change when it is opened.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let read = |path: &PathBuf| match fs::read_link(path) {
        Ok(target) => text_of(&target).into_bytes(),
        Err(_) => match fs::read(path).unwrap() {
            bytes if bytes.starts_with(b"redb") => b"redb".to_vec(),
            bytes => bytes,
        },
    };
    paths.map(|path| (path.clone(), read(&path))).collect()
}

#[test]
fn warm_replaces_and_removes_no_file_but_an_image() {
    let desk = Desk::new();
    // It has no cache, so no block leaves an image.
    desk.write("fails.wasm", &counter_that("(unreachable)"));
    desk.write("notes", b"somebody's");
    desk.write("short", b"stdf");
    desk.write("empty", b"");
    for (link, to) in [("hard", "db"), ("hard-block", "block")] {
        fs::hard_link(desk.path(to), desk.path(link)).unwrap();
    }
    #[cfg(unix)]
    for (link, to) in [("link", "notes"), ("to-db", "db"), ("dangling", "nothing")] {
        std::os::unix::fs::symlink(desk.path(to), desk.path(link)).unwrap();
    }
    let mut names = vec!["db", "block", "counter.wasm", "fails.wasm"];
    names.extend(["notes", "short", "empty", "hard", "hard-block"]);
    if cfg!(unix) {
        names.extend(["link", "to-db", "dangling"]);
    }
    let before = contents(desk.directory.path());
    for name in names {
        let path = text_of(&desk.path(name));
        for module in ["counter.wasm", "fails.wasm"] {
            desk.refuses(module, "block", &["--warm", &path], &["another path"]);
            assert!(
                contents(desk.directory.path()) == before,
                "{name}, {module}: a file has changed"
            );
        }
    }
}

#[test]
fn warm_is_not_the_database_that_the_run_creates() {
    let desk = Desk::new();
    let [module, block] = ["counter.wasm", "block"].map(|name| text_of(&desk.path(name)));
    for (db, warm) in [("new", "new"), ("new", "./new")] {
        let paths = [db, warm].map(|name| text_of(&desk.path(name)));
        let arguments = ["--db", &paths[0], "--warm", &paths[1]];
        let output = steadfast(&[&["run", &module, "--input", &block], &arguments[..]].concat());
        one_line_with(&output, &["another path"]);
        assert!(!desk.path(db).exists(), "{db}, {warm}");
    }
}

#[test]
fn warm_replaces_an_image_and_what_is_left_of_one() {
    const AT: u32 = 1 << 16;
    let desk = Desk::new();
    let memory = [&vec![0; AT as usize], REGION].concat();
    let image = RegionImage::capture(&memory, AT, Digest([7; 32])).unwrap();
    let write = || image.write(&desk.path("image"), Digest([9; 32]), Compression::None);
    write().unwrap();
    let whole = fs::read(desk.path("image")).unwrap();
    // As a stop in the middle of writing leaves it.
    for length in [0, 5, 50, whole.len() - 1] {
        desk.write("image.123-0.partial", &whole[..length]);
        desk.write("image.1-0.partial", b"somebody's");
        let written = fs::File::create(desk.path("image.124-0.partial")).unwrap();
        written.lock().unwrap();
        write().unwrap();
        assert_eq!(fs::read(desk.path("image")).unwrap(), whole);
        assert!(!desk.path("image.123-0.partial").exists());
        assert!(desk.path("image.1-0.partial").exists(), "it is no image");
        assert!(
            desk.path("image.124-0.partial").exists(),
            "another process writes it"
        );
    }
    // The image is another module's, and this one has no cache.
    let path = text_of(&desk.path("image"));
    let output = desk.run("counter.wasm", "block", &["--warm", &path]);
    assert!(output.status.success(), "{output:?}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("image stays as it is: no block left a cache"),
        "{told}"
    );
    assert_eq!(fs::read(desk.path("image")).unwrap(), whole);
}

/// An image that is the module's, as of the state, with which the module fails all the same.
#[test]
fn an_image_that_made_a_block_fail_is_not_used_again() {
    const AT: u32 = 1 << 16;
    let desk = Desk::new();
    let memory = [&vec![0; AT as usize], REGION].concat();
    // An image grows the memory that it goes to.
    let fails_warm = "(if (i32.gt_u (memory.size) (i32.const 1)) (then unreachable))";
    let module = counter_that(fails_warm);
    desk.write("fails.wasm", &module);
    let state = desk.read_digest();
    let mut image = RegionImage::capture(&memory, AT, module_digest(&module)).unwrap();
    // It is as of the block that the state has, and the next one builds on that.
    let (height, block) = (702_861_u32, small_block(2));
    let tip = Input::new(height, &block).block_hash().unwrap();
    image.set_tag(BlockTag {
        chain: [0; 4],
        height,
        hash: tip,
    });
    let mut next = [&(height + 1).to_le_bytes()[..], &block].concat();
    next[8..40].copy_from_slice(&tip);
    desk.write("next", &next);
    let path = desk.path("image");
    image.write(&path, state, Compression::None).unwrap();
    let warm = ["--warm", &text_of(&path)];
    let output = desk.run("fails.wasm", "next", &warm);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{told}");
    assert!(told.contains("the next run begins cold"), "{told}");
    assert_eq!(desk.read_digest(), state);
    assert!(!path.exists());
    let output = desk.run("fails.wasm", "next", &warm);
    assert!(output.status.success(), "{output:?}");
}

/// One at another address than the module's plan has for the region is not even unpacked.
#[test]
fn an_image_for_another_address_is_refused() {
    const AT: u32 = 1 << 16;
    let desk = Desk::new();
    let mut module = counter();
    let plan = Plan::DEFAULT.encode();
    let mut section = vec![Plan::SECTION.len() as u8];
    section.extend(Plan::SECTION.as_bytes());
    section.extend(plan);
    module.extend([0, section.len() as u8]);
    module.extend(section);
    desk.write("planned.wasm", &module);
    let memory = [&vec![0; AT as usize], REGION].concat();
    let image = RegionImage::capture(&memory, AT, module_digest(&module)).unwrap();
    let path = desk.path("image");
    image
        .write(&path, desk.read_digest(), Compression::None)
        .unwrap();
    // Cut off behind its head: what it claims is refused before the rest is missed.
    let head = fs::read(&path).unwrap()[..96].to_vec();
    fs::write(&path, head).unwrap();
    let output = desk.run("planned.wasm", "block", &["--warm", &text_of(&path)]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("the cache begins cold: the image has"),
        "{told}"
    );
    assert!(
        told.contains("at 0x10000, and the module's region has up to"),
        "{told}"
    );
}
