//! What `steadfast run` makes of the cache between blocks: moved by default, kept in a file, or
//! dropped.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::desk::{Desk, said};
use serde_json::Value;

const FIRST: u32 = 702_861;
const BLOCKS: u32 = 3;
const KEPT: &str = "--db state --warm cache";

/// A module that `cargo xtask guests` builds.
pub fn guest(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let path = target.join("guests").join(name).with_extension("wasm");
    assert!(
        path.exists(),
        "{}: run `cargo xtask guests`",
        path.display()
    );
    path
}

/// A desk with an indexer, and files of the same transactions in one block after the other, each of
/// which builds on the one before. Their names are their heights.
fn desk() -> Desk {
    let desk = Desk::new();
    let indexer = fs::read(guest("indexer_metashrew")).unwrap();
    desk.write("indexer.wasm", indexer);
    let mut parent: Option<[u8; 32]> = None;
    for height in FIRST..FIRST + BLOCKS {
        let mut block = bitcoin_test_data::blocks::mainnet_702861().to_vec();
        if let Some(parent) = parent {
            block[4..36].copy_from_slice(&parent);
        }
        let input = [&height.to_le_bytes()[..], &block].concat();
        let parsed = steadfast_host::Input::parse("block", &input).unwrap();
        parent = parsed.block_hash();
        desk.write(&height.to_string(), input);
    }
    desk
}

/// What a run reads of the state, what digest it comes to, and what it says of a cold cache.
fn run(desk: &Desk, blocks: &str, more: &str) -> (u64, Value, String) {
    let arguments = format!("run indexer.wasm --json --ceiling 512MiB {more} --input {blocks}");
    let output = desk.steadfast(&arguments);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reads = report["imports"]["get_lens"].as_u64().unwrap();
    let said = said(&output);
    let cold = said.lines().filter(|line| line.contains("cold"));
    (reads, report["state_digest"].clone(), cold.collect())
}

#[test]
fn blocks_begin_with_the_cache_of_the_one_before_unless_told_otherwise() {
    let desk = desk();
    let (warm, state, said) = run(&desk, "702861 702862 702863", "");
    assert_eq!(said, "", "it says nothing new");
    let (cold, same, _) = run(&desk, "702861 702862 702863", "--cold");
    assert_eq!(state, same);
    assert!(warm < cold, "{warm} reads warm, {cold} cold");

    // A file takes the cache to the next run.
    let (first, _, _) = run(&desk, "702861 702862", KEPT);
    let (rest, same, said) = run(&desk, "702863", KEPT);
    assert_eq!((first + rest, same, &*said), (warm, state, ""));
}

#[test]
fn a_run_without_a_cache_leaves_the_file_alone() {
    let desk = desk();
    run(&desk, "702861", KEPT);
    let before = desk.read("cache");
    let output = desk.steadfast(&format!(
        "run indexer.wasm {KEPT} --cache off --input 702862"
    ));
    assert!(output.status.success(), "{output:?}");
    let said = said(&output);
    assert_eq!(said.matches("steadfast: ").count(), 1, "{said}");
    assert!(
        said.contains("is neither read nor written: --cache off"),
        "{said}"
    );
    assert!(desk.read("cache") == before);
}

#[test]
fn a_view_needs_no_cache_to_answer() {
    let desk = desk();
    run(&desk, "702861", KEPT);
    let view = |more: &str| {
        let script = "00".repeat(36);
        let question = format!("--view output --input-hex {script} --db state {more}");
        let output = desk.steadfast(&format!("view indexer.wasm {question}"));
        assert!(output.status.success(), "{output:?}");
        let answer = String::from_utf8(output.stdout.clone()).unwrap();
        (answer, said(&output))
    };
    let (cold, _) = view("");
    assert_eq!(view("--warm cache"), (cold, String::new()));
    desk.write("old", desk.read("cache"));
    run(&desk, "702862", KEPT);
    let (cold, _) = view("");
    for image in ["old", "none"] {
        let (answer, said) = view(&format!("--warm {image}"));
        assert_eq!(answer, cold);
        assert!(said.contains("the cache begins cold"), "{said}");
    }
}

#[test]
fn a_block_of_another_branch_begins_cold_and_says_so() {
    let desk = desk();
    let (reads, state, said) = run(&desk, "702861 702863", "--allow-gap");
    assert!(
        said.contains("702863") && said.contains("not known to be an ancestor"),
        "{said}"
    );
    let (cold, same, _) = run(&desk, "702861 702863", "--allow-gap --cold");
    assert_eq!((reads, state), (cold, same));
}
