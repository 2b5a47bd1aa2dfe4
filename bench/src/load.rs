//! Thousands of blocks, each in a fresh instance, on one state: nothing may grow, and nothing may
//! be lost.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use indicatif::ProgressBar;
use steadfast_host::{Input, MemoryState, RedbState, State, StateHasher, state_digest};
use steadfast_testkit::reference::Indexer;

use crate::figures::{Figure, Figures, Value};
use crate::replay::Replays;
use crate::{guests, inputs, process};

/// What the run is held to.
#[derive(clap::Args)]
pub struct Options {
    /// Blocks to index: replays of mainnet block 702,861 with transactions of their own.
    #[arg(long, default_value_t = 10_000)]
    blocks: u32,
    /// The digest of the state is compared with the reference's after so many blocks.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Keeps the state in this database, which must be a new one; without it, in memory.
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
}

/// Growth of this process's memory between the tenth part of the run and its end that is taken for
/// noise.
const NOISE_BYTES: f64 = 16.0 * 1048576.0;

/// Blocks from which on a run tells whether the process grows.
const LONG: u32 = 1000;

/// Indexes the blocks beside the reference indexer.
///
/// # Errors
/// When a block fails, the states differ, or memory grows.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let runner = guests::runner("indexer_metashrew.wasm")?;
    let mut state: Box<dyn State> = match &options.db {
        Some(path) => Box::new(RedbState::open(path)?),
        None => Box::new(MemoryState::default()),
    };
    let mut reference = Indexer::default();
    let mut replays = Replays::new(inputs::mainnet_702861())?;
    let mut guest_bytes = Vec::new();
    let mut resident = 0.0;
    let tenth = options.blocks.div_ceil(10);
    let bar = ProgressBar::new(u64::from(options.blocks));
    for height in 1..=options.blocks {
        let block = replays.next_block();
        reference.index(height, &block)?;
        let report = runner
            .run_block(&Input::new(height, &block), &mut *state)
            .with_context(|| format!("block {height}"))?;
        guest_bytes.push(report.memory_bytes);
        if height % options.every == 0 || height == options.blocks {
            let expected = digest(&reference);
            let found = state_digest(&*state)?.to_string();
            ensure!(
                found == expected,
                "after block {height} the state's digest is {found}, and the reference's is {expected}"
            );
        }
        if height == tenth {
            resident = process::bytes("status", "VmRSS")?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let grown = process::bytes("status", "VmRSS")? - resident;
    let most = guest_bytes
        .iter()
        .max()
        .context("at least one block is needed")?;
    let guest_growth = most - guest_bytes[0];
    let mut push = |metric, value, unit| {
        figures.push(Figure {
            bench: "load",
            row: "replays".to_owned(),
            subject: "steadfast".to_owned(),
            metric,
            value,
            unit,
        });
    };
    push("blocks", Value::Number(f64::from(options.blocks)), "");
    push("rss_bytes", Value::Number(resident + grown), "B");
    push("rss_growth_bytes", Value::Number(grown), "B");
    push(
        "guest_growth_bytes",
        Value::Number(guest_growth as f64),
        "B",
    );
    push("state_digest", Value::Digest(digest(&reference)), "");
    ensure!(
        guest_growth == 0,
        "an instance had {guest_growth} bytes more than the first"
    );
    ensure!(
        options.blocks < LONG || grown < NOISE_BYTES,
        "the host's memory grew by {grown} bytes"
    );
    Ok(())
}

fn digest(reference: &Indexer) -> String {
    let mut hasher = StateHasher::default();
    for (key, value) in &reference.state {
        hasher.pair(key, value);
    }
    hasher.finish().to_string()
}

#[cfg(test)]
mod tests {
    use super::{Options, measure};
    use crate::figures::Figures;

    #[test]
    fn a_short_run_loses_nothing_and_grows_no_instance() {
        let directory = tempfile::tempdir().unwrap();
        for db in [None, Some(directory.path().join("state"))] {
            let mut figures = Figures::default();
            let options = Options {
                blocks: 20,
                every: 4,
                db,
            };
            measure(&options, &mut figures).unwrap();
            let grown = figures.number("replays", "steadfast", "guest_growth_bytes");
            assert_eq!(grown, Some(0.0));
        }
    }
}
