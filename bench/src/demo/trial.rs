//! One module, indexing all blocks under one kind of memory.

use anyhow::{Context as _, Result};
use steadfast_host::{BlockReport, Input, MemoryState, Observed, Report, Runner, state_digest};
use steadfast_ops::reference::Counts;

use super::expected::Expected;
use super::scenario::{Scenario, Subject};
use crate::figures::{Figure, Figures, Value};

/// What came of it.
#[derive(Clone)]
pub struct Trial {
    report: Report,
    /// What the guest's record and its output told after each block.
    blocks: Vec<(Observed, String)>,
}

impl Trial {
    /// Indexes the blocks in order, each in a fresh instance, into one state.
    ///
    /// # Errors
    /// When a run fails, or the module has no record.
    pub fn fresh(runner: &Runner, scenario: &Scenario, inputs: &[Input]) -> Result<Self> {
        let runner = runner.with_config(scenario.config.clone())?;
        let mut state = MemoryState::default();
        let mut trial = Trial::new(&runner);
        for input in inputs {
            let block = runner.run_block(input, &mut state);
            let block = block.with_context(|| format!("{}: {}", scenario.row, input.name()))?;
            trial.observe(&block)?;
            trial.report.add(block);
        }
        trial.finish(&state)
    }

    /// Indexes the blocks in order, all in one instance, into one state.
    ///
    /// # Errors
    /// When a run fails, or the module has no record.
    pub fn kept(runner: &Runner, scenario: &Scenario, inputs: &[Input]) -> Result<Self> {
        let runner = runner.with_config(scenario.config.clone())?;
        let mut state = MemoryState::default();
        let mut trial = Trial::new(&runner);
        let (first, others) = inputs.split_first().context("there is no block")?;
        let mut finished = runner.start(first, &state)?;
        for input in others {
            trial.observe(finished.report())?;
            let next = finished.next(input, &mut state);
            finished = next.with_context(|| format!("{}: {}", scenario.row, input.name()))?;
        }
        trial.observe(finished.report())?;
        // An instance's figures add up while it lives: the last ones are for all blocks.
        trial.report.add(finished.commit(&mut state)?);
        trial.finish(&state)
    }

    fn new(runner: &Runner) -> Self {
        Trial {
            report: Report::new(runner.guest(), runner.config().ceiling),
            blocks: Vec::new(),
        }
    }

    fn observe(&mut self, block: &BlockReport) -> Result<()> {
        let observed = block.observed.clone().context("the module has no record")?;
        self.blocks.push((observed, block.output.clone()));
        Ok(())
    }

    fn finish(mut self, state: &MemoryState) -> Result<Self> {
        self.report.state_digest = Some(state_digest(state)?);
        Ok(self)
    }

    /// Adds the figures of this run.
    pub fn report(&self, bench: &'static str, row: &str, subject: Subject, figures: &mut Figures) {
        let mut push = |metric, value, unit| {
            figures.push(Figure {
                bench,
                row: row.to_owned(),
                subject: subject.name().to_owned(),
                metric,
                value,
                unit,
            });
        };
        let report = &self.report;
        push("capacity_bytes", Value::Number(self.capacity() as f64), "B");
        push("grows", Value::Number(report.grows.asked as f64), "");
        if let Some(peak) = report.heap_peak_bytes {
            push("heap_peak_bytes", Value::Number(peak.into()), "B");
        }
        push("cache_hits", Value::Number(self.hits() as f64), "");
        let digests = [
            ("state_digest", report.state_digest),
            ("heap_digest", report.heap_digest),
        ];
        for (metric, digest) in digests {
            if let Some(digest) = digest {
                push(metric, Value::Digest(digest.to_string()), "");
            }
        }
    }

    /// Bytes that the last block's cache could use.
    fn capacity(&self) -> u64 {
        let last = self.blocks.last();
        last.map_or(0, |(observed, _)| observed.cache_limit_bytes.into())
    }

    /// Lookups that found their key in the cache.
    pub fn hits(&self) -> u64 {
        self.report.cache.map_or(0, |cache| cache.hits)
    }

    /// Everything that differs from what it must be; `first` is the same module's first run.
    pub fn faults(&self, scenario: &Scenario, expected: &Expected, first: &Trial) -> Vec<String> {
        let mut faults = Vec::new();
        let mut expect = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        let (own, theirs) = (&self.report, &first.report);
        expect(
            own.state_digest == Some(expected.state),
            format!(
                "the state's digest is {}, the reference's {}",
                shown(own.state_digest),
                expected.state
            ),
        );
        expect(
            own.heap_digest.is_some() && own.heap_digest == theirs.heap_digest,
            format!(
                "the heap's digest is {}, in the first run {}",
                shown(own.heap_digest),
                shown(theirs.heap_digest)
            ),
        );
        expect(
            own.heap_peak_bytes == theirs.heap_peak_bytes,
            format!(
                "the heap's peak is {:?}, in the first run {:?}",
                own.heap_peak_bytes, theirs.heap_peak_bytes
            ),
        );
        expect(
            scenario
                .capacity
                .is_none_or(|capacity| capacity == self.capacity()),
            format!(
                "the cache has {} bytes, {:?} were to be had",
                self.capacity(),
                scenario.capacity
            ),
        );
        let blocks = self.blocks.iter().zip(&first.blocks);
        for (((observed, output), (other, _)), counts) in blocks.zip(&expected.counts) {
            let starts = |seen: &Observed| (seen.heap, seen.c_heap, seen.region.start);
            expect(
                starts(observed) == starts(other),
                format!(
                    "the address map is {:x?}, in the first run {:x?}",
                    starts(observed),
                    starts(other)
                ),
            );
            if let (Some(cache), Some(entries)) = (observed.cache, scenario.entries) {
                expect(
                    cache.inserts > 0 && cache.entries <= entries,
                    format!(
                        "the cache took {} entries and holds {}, of at most {entries}",
                        cache.inserts, cache.entries
                    ),
                );
            }
            expect(
                output.contains(&logged(counts)),
                format!("the module logged {output:?}, the reference counts {counts:?}"),
            );
        }
        faults
    }
}

/// How the module logs what a block holds.
fn logged(counts: &Counts) -> String {
    format!(
        "transactions={} inputs={} outputs={} ",
        counts.transactions, counts.inputs, counts.outputs
    )
}

fn shown(digest: Option<steadfast_host::Digest>) -> String {
    digest.map_or_else(|| String::from("missing"), |digest| digest.to_string())
}
