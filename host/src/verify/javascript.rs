//! JavaScript engines: one driver for all, handed a job and asked for an answer in JSON.

mod browser;
mod child;
mod node;
mod server;

use std::mem::offset_of;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use steadfast::format::InstanceInfo;

pub use self::browser::{Browser, Kind};
pub use self::node::Node;
use super::engine::{Engine, EngineError, took_too_long};
use super::observation::{Observation, Stop};
use super::rewrite::rewrite;
use super::scenario::Scenario;
use super::subject::Subject;
use crate::bounds::Bound;
use crate::ceiling::PAGE_BYTES;
use crate::digest::Digest;
use crate::image::{RegionImage, module_digest, module_tag};
use crate::input::Input;
use crate::metashrew::{Call, Import, decode_flush};
use crate::run::seed_at;
use crate::state::{MemoryState, Pair};
use crate::text;

/// Runs a block in whatever engine it is run in.
const DRIVER: &str = include_str!("javascript/block.mjs");
/// What it knows of regions.
const REGION: &str = include_str!("javascript/region.mjs");

/// More than any answer has, in bytes.
const MOST_ANSWER_BYTES: u64 = 256 << 20;

type Failure = Box<dyn std::error::Error>;

/// Something that does jobs.
pub trait Worker {
    /// Does one job.
    ///
    /// # Errors
    ///
    /// When nothing is known of what the module did, and when it takes longer.
    fn work(&mut self, job: Job, within: Duration) -> Result<Answer, Failure>;
}

/// A module, and what it is run in.
pub struct JavaScript<W> {
    worker: W,
    module: Vec<u8>,
}

impl<W: Worker> JavaScript<W> {
    pub fn new(worker: W, subject: &Subject) -> Self {
        JavaScript {
            worker,
            module: subject.bytes().to_vec(),
        }
    }

    fn observe(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, Failure> {
        let job = Job::new(&self.module, scenario, input, state, image)?;
        match self.worker.work(job, scenario.timeout)? {
            Answer::Failed { failed } => Err(failed.into()),
            Answer::Ran(ran) => ran.observation(module_digest(&self.module)),
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
            .map_err(|error| EngineError(text::reason(&error.to_string())))
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
    forget: Option<NonZeroU32>,
    info: &'static str,
    info_bytes: usize,
    cache_limit_offset: usize,
    forget_seed_offset: usize,
    module_tag: [u8; 8],
    module_tag_offset: usize,
    region_start_offset: usize,
    /// The parts of the image that the cache begins with, each behind its address.
    image: Vec<(u32, String)>,
    /// Whether the answer is to have the image that the cache leaves.
    captures: bool,
    /// Bytes that it may flush, and calls that it may make.
    flush_bytes: u64,
    most_calls: u64,
}

impl Job {
    fn new(
        module: &[u8],
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Self, Failure> {
        let maximum = scenario.ceiling / PAGE_BYTES;
        let limited = rewrite(module, maximum, scenario.refuse_grow)?;
        let parts = image.into_iter().flat_map(RegionImage::parts);
        Ok(Job {
            module: BASE64_STANDARD.encode(limited),
            input: BASE64_STANDARD.encode(input.bytes()),
            state: BASE64_STANDARD.encode(encoded(state)),
            pregrow: scenario.pregrow,
            cache: scenario.cache,
            forget: scenario.forget.map(|seed| seed_at(seed, input)),
            info: InstanceInfo::EXPORT,
            info_bytes: InstanceInfo::LEN,
            cache_limit_offset: InstanceInfo::CACHE_LIMIT_OFFSET,
            forget_seed_offset: InstanceInfo::FORGET_SEED_OFFSET,
            module_tag: module_tag(&module_digest(module)).to_le_bytes(),
            module_tag_offset: InstanceInfo::MODULE_TAG_OFFSET,
            region_start_offset: offset_of!(InstanceInfo, region_start),
            image: parts
                .map(|(address, bytes)| (address, BASE64_STANDARD.encode(bytes)))
                .collect(),
            captures: scenario.warm,
            // What the answer can hold.
            flush_bytes: MOST_ANSWER_BYTES / 4,
            most_calls: MOST_ANSWER_BYTES / 128,
        })
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
    /// It stopped since its calls were nested too deep.
    too_deep: bool,
    info: Option<String>,
    image: Vec<(u32, String)>,
    calls: Vec<(String, Option<usize>)>,
    flushes: Vec<String>,
}

impl Ran {
    fn observation(self, module: Digest) -> Result<Observation, Failure> {
        let info = self.info.map(|text| BASE64_STANDARD.decode(text));
        let info = info.transpose()?;
        let info = info.and_then(|bytes| InstanceInfo::decode(&bytes).ok());
        let calls = self.calls.iter().filter_map(named).collect();
        let written = written(&self.flushes)?;
        let is_stack = self.too_deep;
        let stopped = self.stopped.map(|reason| Stop {
            reason: text::reason(&reason),
            is_stack,
        });
        Ok(Observation {
            image: image(&self.image, module)?,
            ..Observation::new(stopped, written, calls, info.as_ref())
        })
    }
}

/// The image whose parts these are, if it is a whole one.
fn image(parts: &[(u32, String)], module: Digest) -> Result<Option<RegionImage>, Failure> {
    let Some(&(base, _)) = parts.first() else {
        return Ok(None);
    };
    let mut region = Vec::new();
    for (address, bytes) in parts {
        let at = address
            .checked_sub(base)
            .ok_or("the image's parts are in no order")? as usize;
        if at < region.len() || at as u64 > Bound::ImageBytes.default() {
            return Err("the image's parts are in no order".into());
        }
        region.resize(at, 0);
        region.extend(BASE64_STANDARD.decode(bytes)?);
    }
    Ok(RegionImage::of_region(&region, base, module).ok())
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

/// Whether a program can be run.
fn runs(program: &Path) -> bool {
    let version = std::process::Command::new(program)
        .arg("--version")
        .output();
    version.is_ok_and(|output| output.status.success())
}
