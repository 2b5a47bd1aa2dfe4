//! A module that is measured.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use steadfast_host::ceiling::MAX_CEILING;
use steadfast_host::{
    BlockReport, Digest, Input, MemoryState, Output, RunConfig, Runner, state_digest,
};

use crate::guests;

/// What is measured.
pub struct Task<'a> {
    /// The block.
    pub input: &'a Input,
    /// The state that a fresh instance finds.
    pub before: &'a MemoryState,
    /// Whether the instance indexes the block once before that.
    pub warm: bool,
    /// The digest of the state that it must leave.
    pub expected: Digest,
}

/// One run's figures.
pub struct Run {
    /// Time in `_start`, with its imports.
    pub ns: f64,
    /// The fuel that `_start` took, on an engine that counts it.
    fuel: Option<f64>,
    /// This process's page faults meanwhile, with those of making the instance if it is fresh.
    pub page_faults: f64,
}

/// A module, compiled to be timed and compiled to be counted.
pub struct Subject {
    timed: Runner,
    counted: Runner,
}

impl Subject {
    /// Compiles `target/guests/bench/indexer-NAME.wasm`.
    ///
    /// # Errors
    /// When it was not built, or is no indexer.
    pub fn load(name: &str) -> Result<Self> {
        let module = guests::read(&format!("bench/indexer-{name}.wasm"))?;
        let runner = |fuel| {
            let config = RunConfig {
                ceiling: MAX_CEILING,
                output: Output::Discard,
                fuel,
                ..RunConfig::default()
            };
            Runner::new(&module, config).with_context(|| name.to_owned())
        };
        Ok(Subject {
            timed: runner(false)?,
            counted: runner(true)?,
        })
    }

    /// The same module, with at most so many bytes of cache.
    ///
    /// # Errors
    /// When the module cannot be run so.
    pub fn limited(&self, cache: Option<u32>) -> Result<Self> {
        let limited = |runner: &Runner| {
            runner.with_config(RunConfig {
                cache,
                ..runner.config().clone()
            })
        };
        Ok(Subject {
            timed: limited(&self.timed)?,
            counted: limited(&self.counted)?,
        })
    }

    /// Indexes a block.
    ///
    /// # Errors
    /// When the guest fails.
    pub fn index(&self, input: &Input, state: &mut MemoryState) -> Result<BlockReport> {
        let report = self.timed.run_block(input, state);
        report.with_context(|| input.name().to_owned())
    }

    /// Indexes the block, to be timed.
    ///
    /// # Errors
    /// When the guest fails, or leaves another state.
    pub fn time(&self, task: &Task<'_>) -> Result<Run> {
        run(&self.timed, task)
    }

    /// The fuel that the block takes.
    ///
    /// # Errors
    /// When the guest fails, or leaves another state.
    pub fn fuel(&self, task: &Task<'_>) -> Result<f64> {
        let fuel = run(&self.counted, task)?.fuel;
        fuel.context("the engine counts no fuel")
    }
}

fn run(runner: &Runner, task: &Task<'_>) -> Result<Run> {
    let mut state = task.before.clone();
    let mut faults = page_faults()?;
    let mut fuel = 0;
    let mut finished = runner.start(task.input, &state)?;
    if task.warm {
        fuel = finished.report().fuel.unwrap_or(0);
        faults = page_faults()?;
        finished = finished.next(task.input, &mut state)?;
    }
    let faults = page_faults()? - faults;
    let report = finished.commit(&mut state)?;
    let reached = state_digest(&state)?;
    ensure!(
        reached == task.expected,
        "{}: the state's digest is {reached}, where {} was reached before",
        task.input.name(),
        task.expected
    );
    Ok(Run {
        ns: report.guest_ns as f64,
        fuel: report.fuel.map(|total| (total - fuel) as f64),
        page_faults: faults as f64,
    })
}

/// This process's page faults so far that needed no disk.
fn page_faults() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The process's name, in parentheses, may hold anything; the faults are the eighth field behind
    // it.
    let behind_name = stat.rsplit(')').next().unwrap_or_default();
    let field = behind_name.split_whitespace().nth(7);
    let faults = field.context("the system does not tell this process's page faults")?;
    Ok(faults.parse()?)
}
