//! The same indexing crate on steadfast, and on std's allocator with a cache of `lru` over
//! `hashbrown`.

mod subject;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use steadfast_host::{MemoryState, state_digest};

use crate::figures::{Figure, Figures, Value, median};
use crate::{inputs, schedule};
use subject::{Run, Subject, Task};

const SUBJECTS: [&str; 2] = ["steadfast", "std-lru"];

/// The subject that `ratio_to_std` is measured by.
const STD: usize = 1;

/// A way to index a block.
struct Way {
    /// What a row's name has behind the block's height.
    suffix: &'static str,
    /// The most bytes that both caches may take; without a limit the plan's largest region, 1 GiB.
    cache: Option<u32>,
    /// Whether the instance has indexed the block once before.
    warm: bool,
}

const fn way(suffix: &'static str, cache: Option<u32>, warm: bool) -> Way {
    Way {
        suffix,
        cache,
        warm,
    }
}

const WAYS: [Way; 6] = [
    way("", None, false),
    way("-warm", None, true),
    way("-cache-64m", Some(64 << 20), false),
    way("-cache-64m-warm", Some(64 << 20), true),
    way("-cache-1m", Some(1 << 20), false),
    way("-cache-off", Some(0), false),
];

/// Measures both subjects on each block in each way, interleaved, `runs` times each. A block finds
/// the state that the ones before it left.
///
/// # Errors
/// When a guest is missing or fails, or the subjects do not come to the same state.
pub fn measure(files: &[PathBuf], runs: usize, figures: &mut Figures) -> Result<()> {
    ensure!(runs > 0, "at least one run is needed");
    let subjects = [Subject::load(SUBJECTS[0])?, Subject::load(SUBJECTS[1])?];
    let mut before = MemoryState::default();
    for input in inputs::read(files)? {
        let mut after = before.clone();
        subjects[STD].index(&input, &mut after)?;
        let mut twice = after.clone();
        subjects[STD].index(&input, &mut twice)?;
        for way in WAYS {
            let row = format!("block-{}{}", input.height(), way.suffix);
            let subjects = [
                subjects[0].limited(way.cache)?,
                subjects[1].limited(way.cache)?,
            ];
            let task = Task {
                input: &input,
                before: &before,
                warm: way.warm,
                expected: state_digest(if way.warm { &twice } else { &after })?,
            };
            compare(&row, &subjects, &task, runs, figures)?;
        }
        before = after;
    }
    Ok(())
}

/// Fills one row.
fn compare(
    row: &str,
    subjects: &[Subject; 2],
    task: &Task<'_>,
    runs: usize,
    figures: &mut Figures,
) -> Result<()> {
    let mut all = [Vec::new(), Vec::new()];
    for round in 0..=runs {
        for at in schedule::of_round(round, SUBJECTS.len()) {
            let run = subjects[at].time(task).with_context(|| row.to_owned())?;
            // The first round warms up.
            if round > 0 {
                all[at].push(run);
            }
        }
    }
    let middle = |runs: &[Run], of: fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        median(&mut values)
    };
    // By round, since the machine's clock differs more between rounds than the subjects do.
    let ratio_to_std = |runs: &[Run]| {
        let mut ratios: Vec<f64> = runs
            .iter()
            .zip(&all[STD])
            .map(|(run, std)| run.ns / std.ns)
            .collect();
        median(&mut ratios)
    };
    for ((subject, name), runs) in subjects.iter().zip(SUBJECTS).zip(&all) {
        let ns = middle(runs, |run| run.ns);
        let mut push = |metric, value, unit| {
            figures.push(Figure {
                bench: "indexer",
                row: row.to_owned(),
                subject: name.to_owned(),
                metric,
                value: Value::Number(value),
                unit,
            });
        };
        push("ns", ns, "ns");
        push("fuel", subject.fuel(task)?, "fuel");
        push("page_faults", middle(runs, |run| run.page_faults), "");
        push("ratio_to_std", ratio_to_std(runs), "");
    }
    Ok(())
}
