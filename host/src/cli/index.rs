//! The loop of `steadfast run`: one block after the other, into the state.

use std::time::Instant;

use anyhow::Context;
use steadfast_host::table::grouped;
use steadfast_host::{
    BlockReport, Finished, Input, Inputs, Position, ProcessMemory, Report, Runner, State, Tip,
    state_digest,
};

use super::blocks::{Blocks, Step};
use super::progress::Progress;
use super::signals;
use super::warm::Warm;

/// What blocks are indexed with.
pub struct Indexing<'a> {
    pub runner: &'a Runner,
    pub blocks: &'a Blocks,
    pub progress: &'a Progress,
    pub cache: Option<&'a mut Warm>,
}

/// Blocks in a row that the state has already.
#[derive(Default)]
struct Skipped(Option<(u32, u32)>);

impl Indexing<'_> {
    /// Indexes all blocks, or those up to a signal.
    pub fn run(&mut self, inputs: Inputs, state: &mut dyn State) -> anyhow::Result<Report> {
        let mut report = Report::new(self.runner.guest(), self.runner.config().ceiling);
        let mut skipped = Skipped::default();
        let mut last = None;
        for input in inputs {
            let input = match input {
                // It was waiting for a block.
                Err(_) if signals::is_stopped() => break,
                input => input?,
            };
            last = Some(input.height());
            let (step, position) = self.blocks.check(&input, state)?;
            if step == Step::Skip {
                skipped.add(input.height());
            } else {
                skipped.tell();
                let done = report.blocks;
                let block = self.block(&input, position, state).with_context(|| {
                    format!(
                        "{}: block {} failed, after {done} blocks were written{}",
                        input.name(),
                        input.height(),
                        super::stripped(self.runner.guest())
                    )
                })?;
                report.add(block);
            }
            if signals::is_stopped() {
                break;
            }
        }
        if signals::is_stopped() {
            super::warn(&match last {
                Some(height) => format!("stopped by a signal after block {height}"),
                None => "stopped by a signal before the first block".to_string(),
            });
        } else if last.is_none() {
            super::warn("all of these blocks are below the state's tip: skipped");
        }
        skipped.tell();
        self.progress.finish();
        report.state_digest = Some(state_digest(state)?);
        report.host = ProcessMemory::now();
        Ok(report)
    }

    /// Indexes one block; what the module wrote meanwhile goes above the bar, if there is one.
    fn block(
        &mut self,
        input: &Input,
        position: Position,
        state: &mut dyn State,
    ) -> anyhow::Result<BlockReport> {
        let begun = Instant::now();
        let finished = match &mut self.cache {
            Some(cache) => cache.start(self.runner, input, position, state)?,
            None => self.runner.start(input, state)?,
        };
        for line in finished.report().output.lines() {
            self.progress.line(line);
        }
        self.tell_fuel_of_failed(&finished);
        let report = match &mut self.cache {
            Some(cache) => {
                let report = cache.commit(finished, input, state)?;
                cache.keep_when_due(state)?;
                report
            }
            None => finished.commit(state)?,
        };
        self.progress
            .block(&report, Tip::of(input), state, begun.elapsed())?;
        Ok(report)
    }

    /// The figures of a run that fails are not printed, and the fuel says how far the block came.
    fn tell_fuel_of_failed(&self, finished: &Finished) {
        let report = finished.report();
        let fuel = report.fuel.filter(|_| self.runner.config().fuel);
        if let (Some(fuel), Err(_)) = (fuel, finished.outcome()) {
            super::warn(&format!(
                "block {} ran {} instructions before it failed",
                report.height,
                grouped(fuel)
            ));
        }
    }
}

impl Skipped {
    fn add(&mut self, height: u32) {
        self.0 = match self.0 {
            Some((first, last)) if last.checked_add(1) == Some(height) => Some((first, height)),
            _ => {
                self.tell();
                Some((height, height))
            }
        };
    }

    /// Says which ones, once.
    fn tell(&mut self) {
        match self.0.take() {
            Some((first, last)) if first == last => {
                super::warn(&format!("block {first} is in the state already: skipped"));
            }
            Some((first, last)) => {
                super::warn(&format!(
                    "blocks {first} to {last} are in the state already: skipped"
                ));
            }
            None => {}
        }
    }
}
