//! A folder with modules and blocks, in which the command runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::guests::{chain, counter, small_block};
use serde_json::Value;
use steadfast_host::{Digest, RedbState, state_digest};
use tempfile::TempDir;

pub struct Desk(TempDir);

impl Desk {
    /// With the module `counter.wasm`.
    pub fn new() -> Self {
        let desk = Desk(tempfile::tempdir().unwrap());
        desk.write("counter.wasm", counter());
        desk
    }

    /// With the file `block`, at height 702,861.
    pub fn with_block() -> Self {
        let desk = Desk::new();
        desk.write("block", small_block(2));
        desk
    }

    /// With the file `block`, which is indexed in `db`.
    pub fn with_state() -> Self {
        let desk = Desk::with_block();
        desk.succeeds("counter.wasm --input block");
        desk
    }

    /// With blocks from height 1 on in the folder `blocks`.
    pub fn with_blocks(blocks: u32) -> Self {
        let desk = Desk::new();
        fs::create_dir(desk.path("blocks")).unwrap();
        for (block, height) in chain(blocks).iter().zip(1..) {
            desk.write(&format!("blocks/{height}"), block);
        }
        desk
    }

    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The command, with these arguments between spaces.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_steadfast"));
        command
            .args(arguments.split_whitespace())
            .current_dir(self.folder());
        command
    }

    pub fn steadfast(&self, arguments: &str) -> Output {
        self.command(arguments)
            .output()
            .expect("the command starts")
    }

    /// What a command prints with `--json`.
    pub fn json(&self, arguments: &str) -> Value {
        let output = self.steadfast(&format!("{arguments} --json"));
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a module into `db`.
    pub fn run(&self, arguments: &str) -> Output {
        self.steadfast(&format!("run --db db {arguments}"))
    }

    /// Runs, and answers what was said.
    pub fn succeeds(&self, arguments: &str) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments}: {output:?}");
        said(&output)
    }

    /// Runs, and checks that it fails with one line that has these words, and changes no state.
    pub fn refuses(&self, arguments: &str, words: &[&str]) {
        let before = self.digest();
        one_line_with(&self.run(arguments), words);
        assert_eq!(self.digest(), before, "{arguments}: the state was changed");
    }

    /// The digest of the state in `db`.
    pub fn digest(&self) -> Digest {
        state_digest(&RedbState::open_read_only(self.path("db")).unwrap()).unwrap()
    }
}

/// What a command says beside its output.
pub fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Checks that a command has failed with one line that has these words.
pub fn one_line_with(output: &Output, words: &[&str]) {
    let message = said(output);
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
