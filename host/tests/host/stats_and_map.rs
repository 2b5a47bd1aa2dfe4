//! What the commands `stats` and `map` show of a module, a run and a copy of a memory; and what a
//! run tells of a module that is not built as it should be.

use std::fs;
use std::mem::offset_of;

use crate::desk::{Desk, one_line_with, said};
use crate::guests::*;
use crate::warm::guest;
use serde_json::Value;
use steadfast::format::{AttachError, InstanceInfo, Start};
use steadfast_host::{Compression, Digest};

const ONE_PAGE: &str = r#"(memory (export "memory") 1)"#;

/// A module that is built on steadfast, with these fields in its instance info.
fn built_on_steadfast(fields: &[(usize, u32)], code: &str) -> Vec<u8> {
    let heap = [(offset_of!(InstanceInfo, heap_len), 65536)];
    let items = info_items(&[&heap, fields].concat());
    module_that_writes(ONE_PAGE, &items, code)
}

#[test]
fn what_is_not_built_on_steadfast_has_nothing_to_show() {
    let desk = Desk::with_block();
    one_line_with(&desk.steadfast("map counter.wasm"), &["no plan", "plan!"]);
    for (command, word) in [
        ("map", "keeps no instance info"),
        ("stats", "keeps no instance info"),
        ("size", "steadfast_record"),
    ] {
        let output = desk.steadfast(&format!("{command} counter.wasm --input block"));
        one_line_with(&output, &[word]);
    }
}

/// A picture takes the place of a file that is there: its other names keep what it has.
#[test]
fn a_curve_leaves_what_a_hard_link_shares() {
    let desk = Desk::with_block();
    desk.write("kept", b"pairs");
    fs::hard_link(desk.path("kept"), desk.path("svg")).unwrap();
    desk.write("module", fs::read(guest("indexer_metashrew")).unwrap());
    let output = desk.steadfast("size module --input block --svg svg");
    assert!(output.status.success(), "{output:?}");
    assert!(
        fs::read_to_string(desk.path("svg"))
            .unwrap()
            .contains("<polyline")
    );
    assert_eq!(desk.read("kept"), b"pairs");
}

/// A memory with an instance info, and no cache.
fn memory() -> Vec<u8> {
    let mut memory = vec![0; 70_000];
    memory[4096..4104].copy_from_slice(&InstanceInfo::MAGIC.to_le_bytes());
    memory[4104] = InstanceInfo::VERSION as u8;
    memory[4108] = InstanceInfo::LEN as u8;
    let budget = 4096 + offset_of!(InstanceInfo, heap_len);
    memory[budget..budget + 4].copy_from_slice(&65536_u32.to_le_bytes());
    memory
}

#[test]
fn each_metric_is_listed() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/embedding.md");
    let page = fs::read_to_string(page).unwrap();
    let desk = Desk::new();
    desk.write("memory", memory());
    desk.write("region", REGION);
    let mut metrics = 0;
    for file in ["memory", "region"] {
        let output = desk.steadfast(&format!("stats --memory-file {file} --prometheus"));
        let text = String::from_utf8_lossy(&output.stdout);
        for line in text.lines() {
            let Some(help) = line.strip_prefix("# HELP steadfast_") else {
                continue;
            };
            let (name, _) = help.split_once(' ').unwrap();
            assert!(page.contains(&format!("`{name}`")), "{name}");
            metrics += 1;
        }
    }
    assert!(metrics > 20, "{metrics}");
}

#[test]
fn stats_reads_a_file_that_holds_a_memory_or_a_region() {
    let desk = Desk::new();
    desk.write("neither", [7; 70_000]);
    let output = desk.steadfast("stats --memory-file neither");
    one_line_with(&output, &["neither a memory", "magic number"]);
    desk.write("module", b"\0asm\x01\0\0\0");
    let output = desk.steadfast("stats --memory-file module");
    one_line_with(&output, &["a module, and no copy of a memory"]);
    desk.write("memory", memory());
    for (arguments, words) in [
        (
            "stats --memory-file memory --prometheus",
            "\nsteadfast_heap_budget_bytes 65536\n",
        ),
        ("map --memory-file memory", "nothing allocated yet"),
    ] {
        let output = desk.steadfast(arguments);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains(words), "{output:?}");
    }
}

#[test]
fn stats_and_map_read_what_run_keeps_warm() {
    let desk = Desk::with_block();
    let image = region_image(Digest([7; 32]));
    let info = image.info();
    let state = Digest([9; 32]);
    desk.write("region", REGION);
    for (name, compression) in [
        ("plain", Compression::None),
        ("compressed", Compression::Lz4),
    ] {
        image.write(&desk.path(name), state, compression).unwrap();
    }
    assert_ne!(desk.read("plain"), desk.read("compressed"));
    for (name, start) in [
        ("region", 0),
        ("plain", REGION_AT),
        ("compressed", REGION_AT),
    ] {
        let seen = desk.json(&format!("stats --memory-file {name}"));
        assert_eq!(seen["cache"]["entries"], info.stats.entries, "{name}");
        assert_eq!(seen["cache"]["used_bytes"], info.stats.used_bytes, "{name}");
        if start > 0 {
            assert_eq!(seen["image"]["module"], image.module().to_string());
            assert_eq!(seen["image"]["state_digest"], state.to_string());
        }
        let map = desk.json(&format!("map --memory-file {name}"));
        assert_eq!(map["rows"][0]["start"], start, "{name}");
        let number = |value: &Value| value.as_u64().unwrap();
        let ages = map["ages"].as_array().unwrap().iter();
        let entries: u64 = ages.map(|row| number(&row["entries"])).sum();
        assert_eq!(entries, u64::from(info.stats.entries), "{name}");
        let buckets = (0..).zip(map["index"]["buckets"].as_array().unwrap());
        let held: u64 = buckets.map(|(held, count)| held * number(count)).sum();
        assert_eq!(held, u64::from(info.stats.entries), "{name}");
    }
    let mut damaged = desk.read("compressed");
    // One bit alone may be in the offset of a match, where another offset gives the same bytes.
    let middle = damaged.len() / 2;
    damaged[middle..middle + 16].fill(0xA5);
    desk.write("damaged", damaged);
    for command in ["stats", "map"] {
        let output = desk.steadfast(&format!("{command} --memory-file damaged"));
        one_line_with(&output, &["damaged", "not a usable image"]);
        let said = said(&output);
        assert!(!said.contains("replaces it"), "nothing runs here: {said}");
    }
    let said = desk.succeeds("counter.wasm --input block --warm damaged");
    assert!(said.contains("this run leaves replaces it"), "{said}");
}

#[test]
fn a_live_map_is_drawn_after_each_block() {
    let desk = Desk::with_block();
    desk.write("module", built_on_steadfast(&[], ""));
    let draw = |more: &str| {
        let output = desk.steadfast(&format!("map module --input block block {more}"));
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.matches("after block 702861").count()
    };
    assert_eq!((draw(""), draw("--live")), (1, 2));
}

#[test]
fn a_block_that_stops_has_counters_and_a_map() {
    let desk = Desk::with_block();
    desk.write("stops.wasm", built_on_steadfast(&[], "unreachable"));
    for (command, words) in [
        ("map", "stops, stopped in block 702861\n"),
        ("stats", "\nmemory.grow "),
    ] {
        let output = desk.steadfast(&format!("{command} stops.wasm --input block"));
        let shown = String::from_utf8_lossy(&output.stdout);
        let said = said(&output);
        assert!(!output.status.success(), "{said}");
        assert!(shown.contains(words), "{shown}");
        assert!(said.contains("block 702861 failed"), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn heights_that_were_left_out_are_told() {
    let desk = Desk::new();
    desk.write("module", built_on_steadfast(&[], ""));
    for height in [5_u32, 6, 9] {
        let block = [&height.to_le_bytes()[..], &small_block(1)].concat();
        desk.write(&height.to_string(), block);
    }
    for command in ["stats", "map"] {
        let told = |blocks: &str| {
            let output = desk.steadfast(&format!("{command} module --input {blocks}"));
            assert!(output.status.success(), "{output:?}");
            said(&output)
        };
        assert_eq!(told("5 6"), "");
        let told = told("6 9");
        let words = "heights 7 to 8 were left out";
        assert!(told.contains(words) && told.contains("block 9"), "{told}");
    }
}

#[test]
fn a_run_tells_which_blocks_began_cold_and_what_to_do() {
    let desk = Desk::with_block();
    let cold = Start::Cold(AttachError::NoImage).code();
    let off = Start::Cold(AttachError::Disabled).code();
    let warm = Start::Walked.code();
    for (name, code) in [("cold", cold), ("warm", warm), ("none", 0), ("off", off)] {
        let fields = [(offset_of!(InstanceInfo, cache_start), code)];
        desk.write(name, built_on_steadfast(&fields, ""));
    }
    let run = |arguments: &str| {
        let output = desk.steadfast(&format!("run {arguments} --input block"));
        assert!(output.status.success(), "{output:?}");
        said(&output)
    };
    assert!(run("cold").contains("--warm FILE"));
    assert!(run("cold --cold").contains("leave it out"));
    assert!(!run("cold --warm image --db db").contains("empty"));
    let told = run("cold --warm image");
    assert!(
        told.contains("--db PATH") && told.contains("the next run cannot"),
        "{told}"
    );
    for nothing_to_do in ["warm", "none", "off", "off --cold"] {
        assert_eq!(run(nothing_to_do), "", "{nothing_to_do}");
    }
    let report = desk.json("run cold --input block");
    assert_eq!(report["cold_blocks"], 1);
    assert_eq!(
        report["last"]["observed"]["cache_start"],
        "cold: no image stands in the region"
    );
}

#[test]
fn a_module_with_an_allocator_of_its_own_is_told() {
    let desk = Desk::with_block();
    // It has reserved a region, and no heap.
    let no_heap = [(offset_of!(InstanceInfo, heap_len), 0)];
    desk.write("reserves", built_on_steadfast(&no_heap, ""));
    for (arguments, name) in [
        ("run counter.wasm --input block", "plan"),
        ("stats reserves --input block", "heap"),
    ] {
        let output = desk.steadfast(arguments);
        let table = String::from_utf8_lossy(&output.stdout);
        let row = table.lines().find(|line| line.starts_with(name));
        let told = row.map(|row| row[name.len()..].trim());
        let own = "none: the module has its own allocator";
        assert_eq!(told, Some(own), "{output:?}");
    }
}

/// It is told by its instance info: the plan's section went with the others.
#[test]
fn a_module_whose_sections_were_stripped_is_told() {
    let desk = Desk::with_block();
    let items = info_items(&[(offset_of!(InstanceInfo, heap_len), 65536)]);
    let compiler = format!(r#"{items} (@custom "producers" "\00")"#);
    let kept = "its plan with them: keep the section `steadfast.plan`";
    for (items, is_stripped, words) in [
        (&items, true, kept),
        (&compiler, false, "the module has no plan"),
    ] {
        desk.write("module", module_that_writes(ONE_PAGE, items, ""));
        one_line_with(&desk.steadfast("map module"), &[words]);
        let output = desk.steadfast("run module --input block");
        let table = String::from_utf8_lossy(&output.stdout);
        let told = table.contains("stripped, with the module's custom sections");
        assert_eq!(told, is_stripped, "{table}");
        let fails = module_that_writes(ONE_PAGE, items, "(unreachable)");
        desk.write("module", fails);
        let output = desk.steadfast("run module --input block");
        one_line_with(&output, &["block 702861 failed", "unreachable"]);
        let told = said(&output).contains("custom sections were stripped");
        assert_eq!(told, is_stripped, "{output:?}");
    }
}
