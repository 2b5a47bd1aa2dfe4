//! What `steadfast run` makes of the cache between blocks: moved by default, kept in a file, or
//! dropped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde_json::Value;

const FIRST: u32 = 702_861;
const BLOCKS: u32 = 3;

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

/// Files with the same transactions in one block after the other, each of which builds on the one
/// before.
fn blocks(directory: &Path) -> Vec<PathBuf> {
    let mut parent: Option<[u8; 32]> = None;
    let heights = FIRST..FIRST + BLOCKS;
    let paths = heights.map(|height| {
        let mut block = bitcoin_test_data::blocks::mainnet_702861().to_vec();
        if let Some(parent) = parent {
            block[4..36].copy_from_slice(&parent);
        }
        let input = [&height.to_le_bytes()[..], &block].concat();
        let parsed = steadfast_host::Input::parse("block", &input).unwrap();
        parent = parsed.block_hash();
        let path = directory.join(height.to_string());
        fs::write(&path, input).unwrap();
        path
    });
    paths.collect()
}

/// What a run reads of the state, what digest it comes to, and what it says.
fn run(inputs: &[PathBuf], more: &[&str]) -> (u64, Value, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .arg("run")
        .arg(guest("indexer_metashrew"))
        .arg("--input")
        .args(inputs)
        .args(["--json", "--ceiling", "512MiB"])
        .args(more)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let reads = report["imports"]["get_lens"].as_u64().unwrap();
    let said = said.lines().filter(|line| line.contains("cold"));
    (reads, report["state_digest"].clone(), said.collect())
}

#[test]
fn blocks_begin_with_the_cache_of_the_one_before_unless_told_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = blocks(directory.path());
    let (warm, state, said) = run(&blocks, &[]);
    assert_eq!(said, "", "it says nothing new");
    let (cold, same, _) = run(&blocks, &["--cold"]);
    assert_eq!(state, same);
    assert!(warm < cold, "{warm} reads warm, {cold} cold");

    // A file takes the cache to the next run.
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let kept = ["--db", &path("state"), "--warm", &path("cache")];
    let (first, _, _) = run(&blocks[..2], &kept);
    let (rest, same, said) = run(&blocks[2..], &kept);
    assert_eq!((first + rest, same, &*said), (warm, state, ""));
}

#[test]
fn a_run_without_a_cache_leaves_the_file_alone() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = blocks(directory.path());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let kept = ["--db", &path("state"), "--warm", &path("cache")];
    run(&blocks[..1], &kept);
    let before = fs::read(path("cache")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
        .arg("run")
        .arg(guest("indexer_metashrew"))
        .arg("--input")
        .arg(&blocks[1])
        .args(kept)
        .args(["--cache", "off"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("steadfast: ").count(), 1, "{said}");
    assert!(
        said.contains("is neither read nor written: --cache off"),
        "{said}"
    );
    assert!(fs::read(path("cache")).unwrap() == before);
}

#[test]
fn a_view_needs_no_cache_to_answer() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = blocks(directory.path());
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_string();
    let kept = ["--db", &path("state"), "--warm", &path("cache")];
    run(&blocks[..1], &kept);
    let view = |more: &[&str]| {
        let question = ["--view", "output", "--input-hex", &"00".repeat(36)];
        let output = Command::new(env!("CARGO_BIN_EXE_steadfast"))
            .arg("view")
            .arg(guest("indexer_metashrew.wasm"))
            .args(question)
            .args(["--db", &path("state")])
            .args(more)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(output.stdout), text(output.stderr))
    };
    let (cold, _) = view(&[]);
    assert_eq!(
        view(&["--warm", &path("cache")]),
        (cold.clone(), String::new())
    );
    std::fs::copy(path("cache"), path("old")).unwrap();
    run(&blocks[1..2], &kept);
    let (cold, _) = view(&[]);
    for image in ["old", "none"] {
        let (answer, said) = view(&["--warm", &path(image)]);
        assert_eq!(answer, cold);
        assert!(said.contains("the cache begins cold"), "{said}");
    }
}

#[test]
fn a_block_of_another_branch_begins_cold_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let blocks = blocks(directory.path());
    let skipping = [blocks[0].clone(), blocks[2].clone()];
    let (reads, state, said) = run(&skipping, &["--allow-gap"]);
    assert!(
        said.contains("702863") && said.contains("not known to be an ancestor"),
        "{said}"
    );
    assert_eq!((reads, state), {
        let (reads, state, _) = run(&skipping, &["--allow-gap", "--cold"]);
        (reads, state)
    });
}
