//! The same indexing crate on steadfast, and on std's allocator with a cache of `lru` over `hashbrown`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use steadfast_host::ceiling::MAX_CEILING;
use steadfast_host::{Digest, Input, MemoryState, Output, RunConfig, Runner, state_digest};

use crate::figures::{Figure, Figures, Value, median};
use crate::{guests, inputs};

const SUBJECTS: [&str; 2] = ["steadfast", "std-lru"];

/// The subject that `ratio_to_std` is measured by.
const STD: usize = 1;

/// A module, compiled to be timed and compiled to be counted.
struct Subject {
    timed: Runner,
    counted: Runner,
}

impl Subject {
    fn load(name: &str) -> Result<Self> {
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
}

/// Measures both subjects on each block, interleaved, `runs` times each. A block finds the state that the ones before it left.
///
/// # Errors
/// When a guest is missing or fails, or the subjects do not come to the same state.
pub fn measure(files: &[PathBuf], runs: usize, figures: &mut Figures) -> Result<()> {
    ensure!(runs > 0, "at least one run is needed");
    let subjects = [Subject::load(SUBJECTS[0])?, Subject::load(SUBJECTS[1])?];
    let mut state = MemoryState::default();
    for input in inputs::read(files)? {
        state = block(&subjects, &input, &state, runs, figures)?;
    }
    Ok(())
}

/// Measures one block; answers the state that it leaves.
fn block(
    subjects: &[Subject; 2],
    input: &Input,
    before: &MemoryState,
    runs: usize,
    figures: &mut Figures,
) -> Result<MemoryState> {
    let mut after = before.clone();
    subjects[STD].timed.run_block(input, &mut after)?;
    let expected = state_digest(&after)?;
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=runs {
        for at in 0..SUBJECTS.len() {
            let at = (at + round) % SUBJECTS.len();
            let report = run(&subjects[at].timed, input, before, expected)?;
            // The first round warms up.
            if round > 0 {
                times[at].push(report.guest_ns as f64);
            }
        }
    }
    let medians = times.map(|mut times| median(&mut times));
    for (at, subject) in SUBJECTS.into_iter().enumerate() {
        let fuel = run(&subjects[at].counted, input, before, expected)?.fuel;
        let mut push = |metric, value, unit| {
            figures.push(Figure {
                bench: "indexer",
                row: format!("block-{}", input.height()),
                subject: subject.to_owned(),
                metric,
                value: Value::Number(value),
                unit,
            });
        };
        push("ns", medians[at], "ns");
        push(
            "fuel",
            fuel.context("the engine counts no fuel")? as f64,
            "fuel",
        );
        push("ratio_to_std", medians[at] / medians[STD], "");
    }
    Ok(after)
}

fn run(
    runner: &Runner,
    input: &Input,
    before: &MemoryState,
    expected: Digest,
) -> Result<steadfast_host::BlockReport> {
    let mut state = before.clone();
    let report = runner
        .run_block(input, &mut state)
        .with_context(|| input.name().to_owned())?;
    let reached = state_digest(&state)?;
    ensure!(
        reached == expected,
        "{}: the state's digest is {reached}, where {expected} was reached before",
        input.name()
    );
    Ok(report)
}
