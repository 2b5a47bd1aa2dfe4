//! How large should a module's region and its heap be? The hit ratio of every size of the region,
//! from one recorded run.
//!
//! Blocks are indexed in one instance that is kept, so that its cache is warm from the second block
//! on, as it is with images.

mod advice;
mod cause;
mod curve;
mod heap;
#[cfg(feature = "pictures")]
mod picture;
mod prediction;
mod recency;

pub use advice::{EntryAdvice, better_entry, settable};
pub use cause::{Cause, Fall, FallReason, Measured, falls};
pub use curve::{Curve, Point, STEP_BYTES};
pub use heap::HeapNeed;
#[cfg(feature = "pictures")]
pub use picture::{curve_svg, draw};
pub use prediction::{Prediction, Replay};

use steadfast::format::RegionInfo;

use crate::config::RunConfig;
use crate::guest::LoadError;
use crate::input::Input;
use crate::lookups::Lookups;
use crate::run::{Ended, Finished, OneInstanceError, Runner, run_in_one_instance};
use crate::state::{MemoryState, State};
use crate::table::other_format;
use crate::trace::Trace;
use crate::trap::RunError;

/// Why nothing could be recorded or measured.
#[derive(Debug, thiserror::Error)]
pub enum SizeError {
    /// There is no block.
    #[error("there is no block to index")]
    NoInput,
    /// The module cannot be run as configured.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A block failed.
    #[error("block {height} failed, number {number} of those that are indexed: {error}")]
    Block {
        /// Its height here: heights count up from the first block's.
        height: u32,
        /// Its place in the input, from 1 on.
        number: usize,
        /// Why.
        error: RunError,
    },
    /// The module has no cache to record.
    #[error(
        "the module opened no cache in its region, so there is nothing to size; is its policy `off`, or the ceiling too low?"
    )]
    NoCache,
    /// The module was built with another version of steadfast.
    #[error("{}", other_format(*.found))]
    OtherFormat {
        /// Its region's format version.
        found: u32,
    },
    /// The module starts once in an instance.
    #[error(
        "a WASI command starts once in an instance, so its cache is cold in every block: give one block, without --repeat, for its heap; for its cache, build the indexer for wasm32-unknown-unknown, or compare `steadfast run --cache BYTES` at several sizes"
    )]
    Wasi,
}

/// What one run over the blocks tells.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What the cache was asked and told.
    pub trace: Trace,
    /// What the heap needed, if the module used it.
    pub heap: Option<HeapNeed>,
}

/// Indexes the blocks and records what the module's cache is asked and told. `progress` is called
/// after each block.
///
/// # Errors
///
/// When a block fails, or the module opens no cache.
pub fn record(
    runner: &Runner,
    inputs: &[Input],
    progress: impl FnMut(usize),
) -> Result<Recording, SizeError> {
    let mut last = in_one_instance(
        runner,
        inputs,
        |input, state| runner.start_recorded(input, state, Trace::default()),
        progress,
    )?;
    let trace = last.take_trace().ok_or(SizeError::NoCache)?;
    let observed = last.report().observed.as_ref();
    if let Some(found) = observed.and_then(|seen| seen.other_format) {
        return Err(SizeError::OtherFormat { found });
    }
    if trace.expected_entry.is_none() {
        return Err(SizeError::NoCache);
    }
    let heap = observed.and_then(HeapNeed::of);
    Ok(Recording { trace, heap })
}

/// Indexes the blocks with a region of up to `capacity` bytes, and counts the hits of the indexer's
/// pool.
///
/// # Errors
///
/// When a block fails, or the module opens no cache.
pub fn measure(runner: &Runner, inputs: &[Input], capacity: u64) -> Result<Measured, SizeError> {
    let runner = runner.with_config(RunConfig {
        cache: Some(u32::try_from(capacity).unwrap_or(u32::MAX)),
        ..runner.config().clone()
    })?;
    let last = in_one_instance(
        &runner,
        inputs,
        |input, state| runner.start(input, state),
        |_| (),
    )?;
    let region = last
        .instance_info()
        .and_then(|info| last.memory().get(info.region_start as usize..))
        .and_then(|region| RegionInfo::read(region).ok())
        .ok_or(SizeError::NoCache)?;
    let [main, ..] = region.pools;
    let (hits, misses) = (main.hits, main.misses);
    let lookups = Lookups { hits, misses };
    let point = Point {
        capacity,
        hit_ratio: lookups.hit_ratio().unwrap_or(0.0),
    };
    Ok(Measured { point, region })
}

/// Indexes the blocks in one instance. Returns it as the last block leaves it.
fn in_one_instance(
    runner: &Runner,
    inputs: &[Input],
    start: impl FnOnce(&Input, &dyn State) -> Result<Finished, RunError>,
    progress: impl FnMut(usize),
) -> Result<Finished, SizeError> {
    let failed = |block: usize, error| SizeError::Block {
        height: inputs[block].height(),
        number: block + 1,
        error,
    };
    let mut state = MemoryState::default();
    let ended = run_in_one_instance(runner, inputs, &mut state, start, progress);
    let Ended { finished, blocks } = ended.map_err(|error| match error {
        OneInstanceError::NoInput => SizeError::NoInput,
        OneInstanceError::Wasi => SizeError::Wasi,
        OneInstanceError::Run { block, error } => failed(block, error),
    })?;
    finished
        .succeeded()
        .map_err(|error| failed(blocks - 1, error))
}
