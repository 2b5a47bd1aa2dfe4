//! Whether a module computes the same whatever host runs it.
//!
//! [`verify`] runs a module on the same blocks on every engine there is and under every kind of
//! memory that a host may grant, crossed with each other, and compares what came of it with a first
//! run that was refused nothing: what each block wrote and printed, which imports it called, the
//! addresses that its heap gave out, and whether and where it ran out of memory or stack. Reads of
//! the state are not compared, since a cache saves some of them; lines logged through metashrew's
//! `__log` are not either.

mod advice;
mod axis;
mod combinations;
mod engine;
mod engines;
mod javascript;
mod matrix;
mod observation;
mod report;
mod rewrite;
mod scenario;
mod subject;
mod wasmi;
mod wasmtime;

pub use self::axis::Axis;
pub use self::engine::{Engine, EngineError};
pub use self::engines::engines;
pub use self::observation::{Difference, Ended, Exhaustion, Kind, Observation};
pub use self::report::{Outcome, Row, Verdict, VerifyReport};
pub use self::scenario::{Scenario, Sequence};
pub use self::subject::Subject;

use std::time::Duration;

use steadfast::format::HEADER_BYTES;

use self::axis::Known;
use self::engine::Ready;
use self::matrix::Matrix;
use crate::ceiling::MAX_CEILING;
use crate::digest::Digest;
use crate::guest::LoadError;
use crate::image::{AsOf as _, RegionImage};
use crate::input::Input;
use crate::state::{MemoryState, State, StateError, state_digest};
use crate::table;

/// Blocks that a run has at least: two begin with the cache that one before them left.
const LEAST_BLOCKS: usize = 3;

/// After so many runs that took too long, or could not be made, no more are tried.
const MOST_UNFINISHED: usize = 4;
const NOT_TRIED: &str = "not tried, since too many runs before did not come to an end";

/// The most memory that a run has on an engine that commits what it grows, in bytes.
const COMMITTED_BYTES: u64 = 768 << 20;

/// How much is tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// Every pair of values of two axes, a few values on each.
    Quick,
    /// Every pair of values of two axes.
    #[default]
    Pairs,
    /// Every combination.
    Full,
}

/// What is tried.
#[derive(Clone, Copy, Debug)]
pub struct VerifyConfig {
    /// How much.
    pub extent: Extent,
    /// Bytes of linear memory that any run may have.
    pub ceiling: u64,
    /// Time that each block of any run may take.
    pub timeout: Duration,
}

impl Default for VerifyConfig {
    fn default() -> Self {
        VerifyConfig {
            extent: Extent::default(),
            ceiling: MAX_CEILING,
            timeout: scenario::TIMEOUT,
        }
    }
}

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The module cannot be run at all.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The first run, which is refused nothing, could not be made or did not finish.
    #[error("the run that all others are compared with failed, on {engine}: {reason}")]
    Reference {
        /// The engine.
        engine: &'static str,
        /// What happened.
        reason: String,
    },
    /// The state could not be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Runs `module` on `inputs` through the matrix of engines and memories, and compares. Where there
/// are fewer than three blocks, the last is indexed again at the heights that follow; where a
/// single one fails then, the result is incomplete, since no block began with a warm cache.
/// `progress` is told of each run as it begins: its number, how many there are, its engine and its
/// scenario.
///
/// # Errors
///
/// When the module cannot be run, or its first run does not finish.
pub fn verify(
    module: &[u8],
    inputs: &[Input],
    config: &VerifyConfig,
    mut progress: impl FnMut(usize, usize, &str, &str),
) -> Result<VerifyReport, VerifyError> {
    let subject = Subject::new(module)?;
    let mut engines = engines(&subject);
    let Reference {
        first,
        run,
        inputs,
        repeats_fail,
    } = Reference::new(&mut engines, inputs, config)?;
    let mut report = VerifyReport::new(state_digest(&run.state)?, inputs.len());
    if let Some(reason) = repeats_fail {
        let outcome = if inputs.len() > 1 {
            Outcome::Skipped(format!("a second time, the block fails: {reason}"))
        } else {
            // No cache was ever warm: that is no basis for a verdict.
            Outcome::CouldNotRun(format!(
                "a second time, the block fails: {reason}; give `--input` two blocks or more that follow each other"
            ))
        };
        report.push("all", "three blocks", Vec::new(), outcome);
    }
    if subject.is_stripped() {
        let reason = "the module's custom sections were stripped: its instance info tells where the region begins, and not its policy";
        let outcome = Outcome::Skipped(reason.into());
        report.push("all", "the plan's own steps", Vec::new(), outcome);
    }
    let known = run.known(&subject, &inputs, config);
    if let Some(found) = known.other_format {
        let outcome = Outcome::Skipped(table::other_format(found));
        report.push("all", "warm caches", Vec::new(), outcome);
    }
    for (name, engine) in &mut engines {
        if let Ok(ready) = engine
            && ready.commits_memory()
            && known.need > committed(config)
        {
            *engine = Err(format!(
                "it commits the memory that it grows: at least {} MiB for this module, and {} MiB are allowed; a build with a lower STEADFAST_REGION_BASE needs less",
                known.need >> 20,
                committed(config) >> 20
            ));
        }
        if let Err(reason) = engine {
            report.push(name, "all", Vec::new(), Outcome::Skipped(reason.clone()));
        }
    }
    let matrix = Matrix::new(&subject, &engines, first, &known, config);
    let runs = matrix.runs.len();
    let mut unfinished = 0;
    for (at, (place, scenario)) in matrix.runs.iter().enumerate() {
        let (name, engine) = &mut engines[*place];
        let Ok(engine) = engine else {
            continue;
        };
        progress(at, runs, name, &scenario.name());
        let scenario = &Scenario {
            timeout: config.timeout,
            ..scenario.clone()
        };
        let outcome = match scenario.sequence {
            _ if unfinished >= MOST_UNFINISHED => Outcome::CouldNotRun(NOT_TRIED.into()),
            Sequence::Kept => compare_kept(engine.as_mut(), scenario, &inputs, &run)?,
            _ => compare(engine.as_mut(), scenario, &inputs, &run)?,
        };
        unfinished += usize::from(matches!(outcome, Outcome::CouldNotRun(_)));
        let mut axes: Vec<Axis> = scenario.axes().collect();
        if *place != first {
            axes.push(Axis::Engine);
        }
        report.push(name, &scenario.name(), axes, outcome);
    }
    if let Some(reason) = subject.forbids_kept_instances() {
        let outcome = Outcome::Skipped(reason.into());
        report.push(engines[first].0, axis::KEPT, vec![Axis::Instance], outcome);
    }
    Ok(report)
}

/// Bytes that a run may have on an engine that commits them.
fn committed(config: &VerifyConfig) -> u64 {
    config.ceiling.min(COMMITTED_BYTES)
}

/// The run that all others are compared with.
struct Reference {
    /// The place of its engine.
    first: usize,
    run: Run,
    /// The blocks, repeated up to three where that can be done.
    inputs: Vec<Input>,
    /// Why they are not.
    repeats_fail: Option<String>,
}

impl Reference {
    fn new(
        engines: &mut [(&'static str, Ready)],
        inputs: &[Input],
        config: &VerifyConfig,
    ) -> Result<Self, VerifyError> {
        let ready = |(_, engine): &(_, Ready)| engine.is_ok();
        let Some(first) = engines.iter().position(ready) else {
            return Err(VerifyError::Reference {
                engine: "any engine",
                reason: "no engine is here".into(),
            });
        };
        let (name, engine) = &mut engines[first];
        let engine = engine.as_mut().expect("the engine is ready");
        let repeated = repeated(inputs);
        let run = Run::of(name, engine.as_mut(), &repeated, config)?;
        let (run, inputs, repeats_fail) = match run.failure() {
            Some((at, reason)) if at >= inputs.len() => {
                let alone = Run::of(name, engine.as_mut(), inputs, config)?;
                (alone, inputs.to_vec(), Some(reason))
            }
            _ => (run, repeated, None),
        };
        match run.failure() {
            Some((at, reason)) => Err(VerifyError::Reference {
                engine: name,
                reason: format!(
                    "block {}, number {} of those that are run: {reason}",
                    inputs[at].height(),
                    at + 1
                ),
            }),
            None => Ok(Reference {
                first,
                run,
                inputs,
                repeats_fail,
            }),
        }
    }
}

/// At least three blocks: the last is repeated at the heights that follow.
fn repeated(inputs: &[Input]) -> Vec<Input> {
    let mut repeated = inputs.to_vec();
    while let Some(last) = repeated.last()
        && repeated.len() < LEAST_BLOCKS
    {
        repeated.push(last.at_height(last.height().saturating_add(1)));
    }
    repeated
}

/// What a module did with a sequence of blocks.
struct Run {
    blocks: Vec<Observation>,
    /// After each block.
    digests: Vec<Digest>,
    state: MemoryState,
}

impl Run {
    /// Runs the blocks as far as they finish, each with a cold cache.
    fn of(
        name: &'static str,
        engine: &mut dyn Engine,
        inputs: &[Input],
        config: &VerifyConfig,
    ) -> Result<Run, VerifyError> {
        let scenario = Scenario {
            ceiling: config.ceiling,
            timeout: config.timeout,
            // For the images that it leaves.
            warm: true,
            ..Scenario::reference()
        };
        let mut run = Run {
            blocks: Vec::new(),
            digests: Vec::new(),
            state: MemoryState::default(),
        };
        for input in inputs {
            let block = engine.run(&scenario, input, &run.state, None);
            let block = block.map_err(|EngineError(reason)| VerifyError::Reference {
                engine: name,
                reason,
            })?;
            run.state.apply(&block.writes)?;
            run.digests.push(state_digest(&run.state)?);
            let ended = block.ended != Ended::Finished;
            run.blocks.push(block);
            if ended {
                break;
            }
        }
        Ok(run)
    }

    /// The place of the block that did not finish, if there is one, and why.
    fn failure(&self) -> Option<(usize, String)> {
        let mut blocks = self.blocks.iter().enumerate();
        blocks.find_map(|(at, block)| Some((at, block.ended.reason()?.to_string())))
    }

    fn known(&self, subject: &Subject, inputs: &[Input], config: &VerifyConfig) -> Known {
        let blocks = || self.blocks.iter();
        let budget_end = blocks().filter_map(|block| block.budget_end).max();
        let need = subject.memory_needed();
        Known {
            ceiling: config.ceiling,
            need: need.max(budget_end.map_or(0, u64::from)),
            grows: blocks()
                .filter_map(|block| block.grows_asked)
                .max()
                .unwrap_or(0),
            tight_cache: tight_cache(blocks().filter_map(|block| block.image.as_ref())),
            other_format: blocks().find_map(|block| block.other_format),
            ascends: inputs.is_sorted_by(|one, next| one.height() < next.height()),
        }
    }
}

/// A limit that holds the entries of the block that leaves the fewest, and hardly more; of half of
/// them, where all blocks leave the same.
fn tight_cache<'a>(images: impl Iterator<Item = &'a RegionImage>) -> Option<u32> {
    let bytes: Vec<u32> = images.map(|image| image.info().stats.used_bytes).collect();
    let (&least, &most) = (bytes.iter().min()?, bytes.iter().max()?);
    let entries = match most - least {
        between if between > most / 8 => least + between / 4,
        _ => most / 2,
    };
    Some(entries.saturating_add(HEADER_BYTES))
}

/// Runs the blocks once more, in one scenario, as far as they are the same.
fn compare(
    engine: &mut dyn Engine,
    scenario: &Scenario,
    inputs: &[Input],
    reference: &Run,
) -> Result<Outcome, VerifyError> {
    let mut comparison = Comparison::new(reference);
    let mut image = None;
    let turns: &[usize] = match scenario.sequence {
        Sequence::GoesBack if inputs.len() > 1 => &[2, inputs.len()],
        _ => &[],
    };
    for &turn in turns {
        let next = &inputs[comparison.at..turn];
        if let Some(ended) = comparison.follow(engine, scenario, next, &mut image)? {
            return Ok(ended);
        }
        let Some(left) = &mut image else { break };
        if let Err(reason) = left.cut_back(inputs[turn - 1].height(), inputs[0].height()) {
            return Ok(Outcome::Skipped(format!("a host begins cold: {reason}")));
        }
        comparison.go_back(1)?;
    }
    let rest = &inputs[comparison.at..];
    if let Some(ended) = comparison.follow(engine, scenario, rest, &mut image)? {
        return Ok(ended);
    }
    comparison.finish()
}

/// As [`compare`], with one instance for all blocks.
fn compare_kept(
    engine: &mut dyn Engine,
    scenario: &Scenario,
    inputs: &[Input],
    reference: &Run,
) -> Result<Outcome, VerifyError> {
    let seen = match engine.run_kept(scenario, inputs) {
        Ok(seen) => seen,
        Err(EngineError(reason)) => return Ok(Outcome::CouldNotRun(reason)),
    };
    let mut comparison = Comparison::new(reference);
    for (at, (input, seen)) in inputs.iter().zip(&seen).enumerate() {
        if is_refused_as_defined(scenario, seen) {
            return Ok(Outcome::RefusedAsDefined);
        }
        if let (Some(reason), true) = (seen.ended.reason(), at > 0) {
            return Ok(Outcome::StopsWhenKept(reason.into()));
        }
        if let Some(different) = comparison.next(input, seen, true)? {
            return Ok(different);
        }
    }
    comparison.finish()
}

/// Whether the heap's budget was refused where the scenario may refuse it.
fn is_refused_as_defined(scenario: &Scenario, seen: &Observation) -> bool {
    scenario.may_refuse_budget && matches!(seen.ended, Ended::BudgetRefused(_))
}

/// A run on its way through the blocks, beside the reference.
struct Comparison<'a> {
    reference: &'a Run,
    at: usize,
    state: MemoryState,
    /// The first block in which the same state was written otherwise.
    reordered: Option<Outcome>,
    capacity_bytes: Option<u32>,
}

impl<'a> Comparison<'a> {
    fn new(reference: &'a Run) -> Self {
        Comparison {
            reference,
            at: 0,
            state: MemoryState::default(),
            reordered: None,
            capacity_bytes: None,
        }
    }

    /// Runs the next blocks, the first of them with the cache in `image`, as far as they are the
    /// same. Answers what ended the run before.
    fn follow(
        &mut self,
        engine: &mut dyn Engine,
        scenario: &Scenario,
        inputs: &[Input],
        image: &mut Option<RegionImage>,
    ) -> Result<Option<Outcome>, StateError> {
        for input in inputs {
            let seen = match engine.run(scenario, input, &self.state, image.as_ref()) {
                Ok(seen) => seen,
                Err(EngineError(reason)) => return Ok(Some(Outcome::CouldNotRun(reason))),
            };
            if is_refused_as_defined(scenario, &seen) {
                return Ok(Some(Outcome::RefusedAsDefined));
            }
            if let Some(different) = self.next(input, &seen, false)? {
                return Ok(Some(different));
            }
            *image = seen.image;
        }
        Ok(None)
    }

    /// Goes back to the state after so many blocks.
    fn go_back(&mut self, blocks: usize) -> Result<(), StateError> {
        (self.at, self.state) = (blocks, MemoryState::default());
        for block in &self.reference.blocks[..blocks] {
            self.state.apply(&block.writes)?;
        }
        Ok(())
    }

    /// Takes what was seen of the next block, and answers how it differs, unless the state is the
    /// same after all.
    fn next(
        &mut self,
        input: &Input,
        seen: &Observation,
        without_heap: bool,
    ) -> Result<Option<Outcome>, StateError> {
        let mut expected = self.reference.blocks[self.at].clone();
        if without_heap {
            expected = expected.without_heap();
        }
        self.state.apply(&seen.writes)?;
        self.capacity_bytes = seen.capacity_bytes;
        let is_same_state = state_digest(&self.state)? == self.reference.digests[self.at];
        self.at += 1;
        let Some(difference) = expected.difference(seen) else {
            return Ok(None);
        };
        let kind = match difference.kind() {
            Kind::State if is_same_state => Kind::Order,
            kind => kind,
        };
        let outcome = Outcome::Different {
            height: input.height(),
            kind,
            difference,
        };
        if kind == Kind::Order {
            // Another state may follow, which matters more.
            self.reordered.get_or_insert(outcome);
            return Ok(None);
        }
        Ok(Some(outcome))
    }

    fn finish(self) -> Result<Outcome, VerifyError> {
        Ok(match self.reordered {
            Some(outcome) => outcome,
            None => Outcome::Same {
                state: state_digest(&self.state)?,
                capacity_bytes: self.capacity_bytes,
            },
        })
    }
}
