//! One module, indexing all blocks under one kind of memory.

use anyhow::{Context as _, Result};
use steadfast::region::{RegionInfo, inspect};
use steadfast_host::{
    BlockReport, Finished, Input, MemoryState, Observed, Report, Runner, state_digest,
};
use steadfast_ops::reference::Counts;

use super::expected::Expected;
use super::scenario::{Scenario, Subject};
use crate::figures::{Figure, Figures, Value};

/// What came of it.
pub struct Trial {
    report: Report,
    /// What the guest's record and its output told after each block.
    blocks: Vec<(Observed, String)>,
    /// The caches' headers, of guests that had one.
    caches: Vec<RegionInfo>,
}

impl Trial {
    /// Indexes the blocks in order, each in a fresh instance, into one state.
    ///
    /// # Errors
    /// When a run fails, or the module has no record.
    pub fn run(runner: &Runner, scenario: &Scenario, inputs: &[Input]) -> Result<Self> {
        let runner = runner.with_config(scenario.config.clone())?;
        let mut state = MemoryState::default();
        let mut trial = Trial {
            report: Report::new(runner.guest(), scenario.config.ceiling),
            blocks: Vec::new(),
            caches: Vec::new(),
        };
        for input in inputs {
            let finished = runner.start(input, &state)?;
            trial.caches.extend(cache(&finished));
            let block = finished
                .commit(&mut state)
                .with_context(|| format!("{}: {}", scenario.row, input.name()))?;
            trial.add(block)?;
        }
        trial.report.state_digest = Some(state_digest(&state)?);
        Ok(trial)
    }

    fn add(&mut self, block: BlockReport) -> Result<()> {
        let observed = block.observed.clone().context("the module has no record")?;
        self.blocks.push((observed, block.output.clone()));
        self.report.add(block);
        Ok(())
    }

    /// Adds the figures of this run.
    pub fn report(&self, subject: Subject, scenario: &Scenario, figures: &mut Figures) {
        let mut push = |metric, value, unit| {
            figures.push(Figure {
                bench: "demo",
                row: scenario.row.to_owned(),
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

    /// Everything that differs from what it must be; `first` is the same module's first run.
    pub fn faults(
        &self,
        scenario: &Scenario,
        expected: &Expected,
        first: &Trial,
    ) -> impl Iterator<Item = String> {
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
        for cache in &self.caches {
            let entries = scenario.entries.unwrap_or(u32::MAX);
            expect(
                cache.inserts > 0 && cache.entries <= entries,
                format!(
                    "the cache took {} entries and holds {}",
                    cache.inserts, cache.entries
                ),
            );
        }
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
            expect(
                output.contains(&logged(counts)),
                format!("the module logged {output:?}, the reference counts {counts:?}"),
            );
        }
        faults.into_iter()
    }
}

/// The header of the cache that a guest left behind.
fn cache(finished: &Finished) -> Option<RegionInfo> {
    let region = finished.record()?.region_start as usize;
    inspect(finished.memory().get(region..)?).ok()
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
