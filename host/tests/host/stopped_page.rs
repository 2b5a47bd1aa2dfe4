//! What docs/my-node-stopped.md shows is what the commands print.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::warm::guest;
use steadfast::{Bytes, Plan};

const PAGE: &str = include_str!("../../../docs/my-node-stopped.md");
/// A line for what is left out.
const ANYTHING: &str = "…";

/// The same module with a smaller heap: wherever its plan stands, another one does.
fn with_small_heap(module: &[u8]) -> Vec<u8> {
    let magic = &Plan::DEFAULT.encode()[..8];
    let at = memchr::memmem::find(module, magic).expect("the module has a plan");
    let plan = &module[at..at + Plan::ENCODED_LEN];
    let small = Plan::decode(plan).expect("a sound plan");
    let small = small
        .with_c_heap(Bytes::new(0))
        .with_region_base(Bytes::mib(4))
        .encode();
    let mut changed = module.to_vec();
    for at in memchr::memmem::find_iter(module, plan) {
        changed[at..at + Plan::ENCODED_LEN].copy_from_slice(&small);
    }
    changed
}

/// Commands, each with the lines shown of its output.
fn shown() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for block in PAGE.split("```console\n").skip(1) {
        let (block, _) = block.split_once("```").expect("a block ends");
        for line in block.lines() {
            match line.strip_prefix("$ steadfast ") {
                Some(command) => commands.push((command, Vec::new())),
                None => commands
                    .last_mut()
                    .expect("a command is first")
                    .1
                    .push(line),
            }
        }
    }
    commands
}

/// All words, one blank between them: the page wraps long lines.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn printed(directory: &Path, command: &str) -> String {
    let mut steadfast = Command::new(env!("CARGO_BIN_EXE_steadfast"));
    steadfast.args(command.split(' ')).current_dir(directory);
    let output = steadfast.output().expect("the command starts");
    let all = [output.stdout, output.stderr].concat();
    words(&String::from_utf8_lossy(&all))
}

/// A folder with what the page speaks of.
fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| fs::write(directory.path().join(name), bytes).unwrap();
    let module = fs::read(guest("indexer_metashrew")).unwrap();
    write("rebuilt.wasm", &module);
    write("indexer.wasm", &with_small_heap(&module));
    write("block.bin", bitcoin_test_data::blocks::mainnet_702861());
    directory
}

#[test]
fn the_command_that_a_full_heap_advises_is_given_the_same_block() {
    let directory = directory();
    for options in [
        "--input block.bin",
        "--input block.bin --raw --height 702861",
    ] {
        let printed = printed(directory.path(), &format!("run indexer.wasm {options}"));
        let advised = printed
            .rsplit("to see who holds it: steadfast ")
            .next()
            .unwrap();
        assert_eq!(advised, format!("profile indexer.wasm {options}"));
    }
}

#[test]
fn the_commands_print_what_the_page_shows() {
    let directory = directory();
    let commands = shown();
    assert!(commands.len() >= 6, "{commands:?}");
    for (command, lines) in commands {
        let printed = printed(directory.path(), command);
        let mut rest = printed.as_str();
        for part in lines.split(|line| *line == ANYTHING) {
            let part = words(&part.join("\n"));
            let at = rest
                .find(&part)
                .unwrap_or_else(|| panic!("`{command}` does not print\n{part}\nbut\n{printed}"));
            rest = &rest[at + part.len()..];
        }
    }
}
