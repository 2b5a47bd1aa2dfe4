//! V8, as Node has it, in a process for each block.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::child::Supervised;
use super::{Answer, DRIVER, Failure, Job, MOST_ANSWER_BYTES, REGION, Worker, runs};
use crate::text;

const PROGRAM: &str = "node";
const MAIN: &str = include_str!("node.mjs");

/// Bytes that are read of what it says.
const MOST_SAID_BYTES: u64 = 64 << 10;

/// Node, and a directory in which it finds everything.
pub struct Node {
    directory: TempDir,
}

impl Node {
    /// Checks that there is a Node; or tells that there is none.
    pub fn new() -> Result<Self, String> {
        if !runs(Path::new(PROGRAM)) {
            return Err(format!("there is no `{PROGRAM}` on the path"));
        }
        let prepared = || -> std::io::Result<TempDir> {
            let directory = tempfile::Builder::new().prefix("steadfast-").tempdir()?;
            fs::write(directory.path().join("node.mjs"), MAIN)?;
            fs::write(directory.path().join("block.mjs"), DRIVER)?;
            fs::write(directory.path().join("region.mjs"), REGION)?;
            Ok(directory)
        };
        Ok(Node {
            directory: prepared().map_err(|error| error.to_string())?,
        })
    }
}

impl Worker for Node {
    fn work(&mut self, job: Job, within: Duration) -> Result<Answer, Failure> {
        let at = |name: &str| self.directory.path().join(name);
        fs::write(at("job"), serde_json::to_vec(&job)?)?;
        if at("answer").exists() {
            fs::remove_file(at("answer"))?;
        }
        let mut command = Command::new(PROGRAM);
        command
            .args(["--no-warnings", "--no-turbo-fast-api-calls"])
            .args([at("node.mjs"), at("job"), at("answer")]);
        let mut node = Supervised::start(command, Stdio::piped())?;
        let said = node.errors().ok_or("node has no standard error")?;
        let (sender, ended) = mpsc::channel();
        // It has ended when nobody can say anything any more.
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = said.take(MOST_SAID_BYTES).read_to_end(&mut bytes);
            // Nobody waits any more when that fails.
            let _ = sender.send(read.map(|_| bytes));
        });
        let said = ended.recv_timeout(within);
        let said = said.map_err(|_| super::took_too_long(within))??;
        let Ok(answer) = File::open(at("answer")) else {
            let said = String::from_utf8_lossy(&said);
            let line = text::name(said.lines().last().unwrap_or_default());
            return Err(format!("node gave no answer: {line}").into());
        };
        let mut bytes = Vec::new();
        answer.take(MOST_ANSWER_BYTES).read_to_end(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}
