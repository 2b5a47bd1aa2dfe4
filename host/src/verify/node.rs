//! V8, as Node has it, in a process for each block.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use steadfast::record::Record;
use tempfile::TempDir;

use super::engine::{Engine, EngineError, Subject};
use super::observation::Observation;
use super::rewrite::rewritten;
use super::scenario::Scenario;
use super::wasmtime::environment;
use crate::ceiling::PAGE_BYTES;
use crate::image::RegionImage;
use crate::input::Input;
use crate::metashrew::{Call, Import, decode_flush};
use crate::state::{MemoryState, Pair};
use crate::wasi::{INPUT_DIRECTORY, INPUT_FILE};

const DRIVER: &str = include_str!("node.mjs");

/// Node, and a directory in which it finds the module and everything else.
pub struct Node {
    directory: TempDir,
    module: Vec<u8>,
    uses_wasi: bool,
}

#[derive(Serialize)]
struct Job<'a> {
    module: &'a Path,
    input: &'a Path,
    /// For WASI modules.
    input_directory: Option<&'a Path>,
    guest_directory: &'a str,
    state: &'a Path,
    answer: &'a Path,
    pregrow: Option<u64>,
    cache: Option<u32>,
    env: serde_json::Map<String, serde_json::Value>,
    record: &'a str,
    record_bytes: usize,
    cache_limit_offset: usize,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Failed {
        failed: String,
    },
    Ran {
        stopped: Option<String>,
        calls: Vec<(String, usize)>,
        flushes: Vec<String>,
        record: Option<String>,
    },
}

impl Node {
    /// Checks that there is a Node; or tells that there is none.
    pub fn new(subject: &Subject) -> Result<Self, String> {
        match Command::new("node").arg("--version").output() {
            Ok(output) if output.status.success() => {}
            _ => return Err("there is no `node` on the path".into()),
        }
        let directory = tempfile::Builder::new().prefix("steadfast-").tempdir();
        let directory = directory.map_err(|error| error.to_string())?;
        fs::write(directory.path().join("node.mjs"), DRIVER).map_err(|error| error.to_string())?;
        Ok(Node {
            directory,
            module: subject.bytes().to_vec(),
            uses_wasi: subject.uses_wasi(),
        })
    }

    fn answer(
        &self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
    ) -> Result<Answer, Box<dyn std::error::Error>> {
        let at = |name: &str| self.directory.path().join(name);
        let module = rewritten(
            &self.module,
            scenario.ceiling / PAGE_BYTES,
            scenario.refuse_grow,
        )?;
        fs::write(at("module.wasm"), module)?;
        let directory = at("input");
        fs::create_dir_all(&directory)?;
        let block = directory.join(INPUT_FILE);
        fs::write(&block, input.bytes())?;
        fs::write(at("state"), encoded(state))?;
        let env = environment(scenario).into_iter();
        let job = Job {
            module: &at("module.wasm"),
            input: &block,
            input_directory: self.uses_wasi.then_some(&*directory),
            guest_directory: INPUT_DIRECTORY,
            state: &at("state"),
            answer: &at("answer"),
            pregrow: scenario.pregrow,
            cache: scenario.cache,
            env: env.map(|(name, value)| (name, value.into())).collect(),
            record: Record::EXPORT,
            record_bytes: Record::LEN,
            cache_limit_offset: Record::CACHE_LIMIT_OFFSET,
        };
        fs::write(at("job"), serde_json::to_vec(&job)?)?;
        let output = Command::new("node")
            .args(["--no-warnings", "--no-turbo-fast-api-calls"])
            .args([at("node.mjs"), at("job")])
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().last().unwrap_or_default();
            return Err(format!("node ended with {}: {line}", output.status).into());
        }
        Ok(serde_json::from_slice(&fs::read(at("answer"))?)?)
    }
}

impl Engine for Node {
    fn lacks(&self, scenario: &Scenario) -> Option<&'static str> {
        // Each block has a process of its own.
        scenario
            .warm
            .then_some("no images of caches are taken on this engine")
    }

    fn run(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        _image: Option<&RegionImage>,
    ) -> Result<Observation, EngineError> {
        let failed = |error: &dyn std::fmt::Display| EngineError(error.to_string());
        match self.answer(scenario, input, state) {
            Ok(Answer::Failed { failed }) => Err(EngineError(failed)),
            Ok(Answer::Ran {
                stopped,
                calls,
                flushes,
                record,
            }) => {
                let record = record.map(|text| BASE64_STANDARD.decode(text)).transpose();
                let record = record.map_err(|error| failed(&error))?;
                let record = record.and_then(|bytes| Record::decode(&bytes).ok());
                let writes = written(&flushes).map_err(|error| failed(&*error))?;
                let calls = calls.iter().filter_map(named).collect();
                Ok(Observation::new(stopped, writes, calls, record.as_ref()))
            }
            Err(error) => Err(failed(&error)),
        }
    }
}

/// What all flushes wrote; `None` if there was none.
fn written(flushes: &[String]) -> Result<Option<Vec<Pair>>, Box<dyn std::error::Error>> {
    let mut pairs = Vec::new();
    for flush in flushes {
        pairs.extend(decode_flush(&BASE64_STANDARD.decode(flush)?)?);
    }
    Ok((!flushes.is_empty()).then_some(pairs))
}

fn named((called, bytes): &(String, usize)) -> Option<Call> {
    let mut names = Import::ALL.into_iter().map(Import::name);
    let name = names.find(|name| name == called)?;
    let bytes = *bytes;
    Some(Call { name, bytes })
}

/// Pairs, each byte string behind its length.
fn encoded(state: &MemoryState) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in state.pairs() {
        for bytes in [key, value] {
            out.extend((bytes.len() as u32).to_le_bytes());
            out.extend(bytes);
        }
    }
    out
}
