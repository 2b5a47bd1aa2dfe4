//! One module, indexing all blocks under one kind of memory.

use anyhow::{Context as _, Result};
use steadfast_host::{BlockReport, Input, MemoryState, Report, Runner, state_digest};

use super::outcome::{BlockOutcome, Outcome};
use super::scenario::Scenario;

/// How instances are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    /// One for each block.
    Fresh,
    /// One for all blocks.
    Kept,
}

/// Indexes the blocks in order, into one state.
///
/// # Errors
/// When a run fails, or the module has no record or no heap trace.
pub fn run(
    runner: &Runner,
    instances: Instances,
    scenario: &Scenario,
    inputs: &[Input],
) -> Result<Outcome> {
    let runner = runner.with_config(scenario.config.clone())?;
    let mut state = MemoryState::default();
    let mut report = Report::new(runner.guest(), runner.config().ceiling);
    let blocks = match instances {
        Instances::Fresh => fresh(&runner, inputs, &mut state, &mut report),
        Instances::Kept => kept(&runner, inputs, &mut state, &mut report),
    };
    let heap = report.heap_digest;
    let last = report.last.and_then(|block| block.observed);
    Ok(Outcome {
        blocks: blocks?,
        capacity_bytes: last.map_or(0, |seen| seen.cache_limit_bytes.into()),
        grows: report.grows.asked,
        cache_hits: report.cache.map_or(0, |cache| cache.hits),
        heap_peak_bytes: report.heap_peak_bytes.context("the heap has no gauges")?,
        state: state_digest(&state)?,
        heap: heap.context("the module is built without the feature `trace`")?,
    })
}

fn fresh(
    runner: &Runner,
    inputs: &[Input],
    state: &mut MemoryState,
    report: &mut Report,
) -> Result<Vec<BlockOutcome>> {
    let index = |input: &Input| {
        let block = runner.run_block(input, state);
        let block = block.with_context(|| input.name().to_owned())?;
        let outcome = outcome(&block)?;
        report.add(block);
        Ok(outcome)
    };
    inputs.iter().map(index).collect()
}

fn kept(
    runner: &Runner,
    inputs: &[Input],
    state: &mut MemoryState,
    report: &mut Report,
) -> Result<Vec<BlockOutcome>> {
    let (first, others) = inputs.split_first().context("there is no block")?;
    let mut finished = runner.start(first, state)?;
    let mut outcomes = vec![outcome(finished.report())?];
    for input in others {
        let next = finished.next(input, state);
        finished = next.with_context(|| input.name().to_owned())?;
        outcomes.push(outcome(finished.report())?);
    }
    // An instance's figures add up while it lives: the last ones are for all blocks.
    report.add(finished.commit(state)?);
    Ok(outcomes)
}

fn outcome(block: &BlockReport) -> Result<BlockOutcome> {
    let seen = block
        .observed
        .as_ref()
        .context("the module has no record")?;
    Ok(BlockOutcome {
        heap: seen.heap,
        c_heap: seen.c_heap,
        region_start: seen.region.start,
        cache: seen.cache,
        output: block.output.clone(),
    })
}
