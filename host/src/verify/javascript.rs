//! JavaScript engines: one driver for all, handed a job and asked for an answer in JSON.

mod browser;
mod node;
mod server;

use std::mem::offset_of;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use steadfast::record::Record;

pub use self::browser::{Browser, Kind};
pub use self::node::Node;
use super::engine::{Engine, EngineError, Subject};
use super::observation::Observation;
use super::rewrite::Rewrite;
use super::scenario::Scenario;
use super::wasmtime::environment;
use crate::ceiling::PAGE_BYTES;
use crate::digest::Digest;
use crate::image::{ImageError, RegionImage, module_digest};
use crate::input::Input;
use crate::metashrew::{Call, Import, decode_flush};
use crate::state::{MemoryState, Pair};
use crate::wasi::{self, INPUT_DIRECTORY, Printed};

/// Runs a block in whatever engine it is run in.
const DRIVER: &str = include_str!("javascript/block.mjs");

/// Where the frontier stands in a region's header.
const FRONTIER_OFFSET: usize = 116;

type Failure = Box<dyn std::error::Error>;

/// Pages of 64 KiB that are not all zeros: their addresses and, in base64, their bytes.
type Pages = Vec<(usize, String)>;

/// Something that does jobs.
pub trait Worker {
    /// Does one job.
    ///
    /// # Errors
    ///
    /// When nothing is known of what the module did.
    fn work(&mut self, job: Job) -> Result<Answer, Failure>;
}

/// A module, and what it is run in.
pub struct JavaScript<W> {
    worker: W,
    module: Vec<u8>,
    digest: Digest,
}

impl<W: Worker> JavaScript<W> {
    pub fn new(worker: W, subject: &Subject) -> Self {
        JavaScript {
            worker,
            module: subject.bytes().to_vec(),
            digest: module_digest(subject.bytes()),
        }
    }

    fn observe(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, Failure> {
        let job = Job::new(&self.module, scenario, input, state)?;
        match self.worker.work(job.with_image(image)?)? {
            Answer::Failed { failed } => Err(failed.into()),
            Answer::Ran(ran) => ran.observation(self.digest),
        }
    }
}

impl<W: Worker> Engine for JavaScript<W> {
    fn run(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, EngineError> {
        self.observe(scenario, input, state, image)
            .map_err(|error| EngineError(error.to_string()))
    }
}

/// What the driver is told. Bytes are in base64.
#[derive(Serialize)]
pub struct Job {
    module: String,
    input: String,
    state: String,
    pregrow: Option<u64>,
    cache: Option<u32>,
    env: serde_json::Map<String, serde_json::Value>,
    record: &'static str,
    record_bytes: usize,
    cache_limit_offset: usize,
    /// The pages of an image, and where they are written before the start.
    image: Pages,
    /// Where the region's address stands in the record, and its frontier in its header, if the region is to be answered.
    region_offsets: Option<[usize; 2]>,
    /// Where a WASI module's input stands.
    input_directory: Option<PathBuf>,
    guest_directory: &'static str,
    /// Where a WASI module's standard output goes.
    stdout: Option<PathBuf>,
    /// Where its standard error goes.
    stderr: Option<PathBuf>,
}

impl Job {
    fn new(
        module: &[u8],
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
    ) -> Result<Self, Failure> {
        let maximum = scenario.ceiling / PAGE_BYTES;
        let module = Rewrite::new(maximum, scenario.refuse_grow).apply(module)?;
        let env = environment(scenario).into_iter();
        Ok(Job {
            module: BASE64_STANDARD.encode(module),
            input: BASE64_STANDARD.encode(input.bytes()),
            state: BASE64_STANDARD.encode(encoded(state)),
            pregrow: scenario.pregrow,
            cache: scenario.cache,
            env: env.map(|(name, value)| (name, value.into())).collect(),
            record: Record::EXPORT,
            record_bytes: Record::LEN,
            cache_limit_offset: Record::CACHE_LIMIT_OFFSET,
            image: Pages::new(),
            region_offsets: scenario
                .warm
                .then_some([offset_of!(Record, region_start), FRONTIER_OFFSET]),
            input_directory: None,
            guest_directory: INPUT_DIRECTORY,
            stdout: None,
            stderr: None,
        })
    }

    fn with_image(mut self, image: Option<&RegionImage>) -> Result<Self, ImageError> {
        if let Some(image) = image {
            let mut memory = vec![0; image.memory_needed() as usize];
            image.restore(&mut memory)?;
            let pages = memory.chunks(PAGE_BYTES as usize).enumerate();
            let written = pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0));
            self.image = written
                .map(|(number, page)| (number * PAGE_BYTES as usize, BASE64_STANDARD.encode(page)))
                .collect();
        }
        Ok(self)
    }
}

/// What the driver answers.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Answer {
    Failed { failed: String },
    Ran(Ran),
}

#[derive(Deserialize)]
pub struct Ran {
    stopped: Option<String>,
    record: Option<String>,
    calls: Vec<(String, Option<usize>)>,
    flushes: Vec<String>,
    /// The pages of the region, where it was asked for.
    region: Pages,
    /// What was printed, which the worker adds.
    #[serde(skip)]
    printed: Printed,
}

impl Ran {
    fn observation(self, module: Digest) -> Result<Observation, Failure> {
        let record = self.record.map(|text| BASE64_STANDARD.decode(text));
        let record = record.transpose()?;
        let record = record.and_then(|bytes| Record::decode(&bytes).ok());
        let calls = self.calls.iter().filter_map(named).collect();
        let written = written(&self.flushes)?;
        let region = record.filter(|_| self.stopped.is_none() && !self.region.is_empty());
        let image = match region {
            Some(record) => captured(&self.region, &record, module)?,
            None => None,
        };
        Ok(Observation {
            image,
            printed: self.printed,
            ..Observation::new(self.stopped, written, calls, record.as_ref())
        })
    }
}

/// The image of a region, of which there are the pages that are not all zeros.
fn captured(
    pages: &Pages,
    record: &Record,
    module: Digest,
) -> Result<Option<RegionImage>, Failure> {
    let base = record.region_start;
    // What is not written costs nothing.
    let mut memory = vec![0; base as usize + record.region_len as usize];
    for (at, page) in pages {
        let page = BASE64_STANDARD.decode(page)?;
        let place = memory.get_mut(*at..).unwrap_or_default();
        let place = place.get_mut(..page.len());
        place
            .ok_or("a page is outside of the region")?
            .copy_from_slice(&page);
    }
    Ok(RegionImage::capture(&memory, base, module).ok())
}

/// What all flushes wrote; `None` if there was none.
fn written(flushes: &[String]) -> Result<Option<Vec<Pair>>, Failure> {
    let mut pairs = Vec::new();
    for flush in flushes {
        pairs.extend(decode_flush(&BASE64_STANDARD.decode(flush)?)?);
    }
    Ok((!flushes.is_empty()).then_some(pairs))
}

/// A call, of those that are compared.
fn named((called, bytes): &(String, Option<usize>)) -> Option<Call> {
    let imports = Import::ALL.into_iter().map(Import::name);
    let mut names = imports.chain(wasi::NOTED);
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

/// Whether a program can be run.
fn runs(program: &Path) -> bool {
    let version = std::process::Command::new(program)
        .arg("--version")
        .output();
    version.is_ok_and(|output| output.status.success())
}
