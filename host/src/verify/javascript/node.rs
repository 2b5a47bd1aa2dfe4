//! V8, as Node has it, in a process for each block.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Answer, DRIVER, Failure, Job, REGION, Worker, runs};

const PROGRAM: &str = "node";
const MAIN: &str = include_str!("node.mjs");

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
    fn work(&mut self, job: Job) -> Result<Answer, Failure> {
        let at = |name: &str| self.directory.path().join(name);
        fs::write(at("job"), serde_json::to_vec(&job)?)?;
        let output = Command::new(PROGRAM)
            .args(["--no-warnings", "--no-turbo-fast-api-calls"])
            .args([at("node.mjs"), at("job"), at("answer")])
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().last().unwrap_or_default();
            return Err(format!("node ended with {}: {line}", output.status).into());
        }
        Ok(serde_json::from_slice(&fs::read(at("answer"))?)?)
    }
}
