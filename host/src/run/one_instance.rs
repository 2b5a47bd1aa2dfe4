//! Blocks that one instance indexes, one after the other.

use super::{Finished, Runner};
use crate::input::Input;
use crate::state::State;
use crate::trap::RunError;

/// The instance after its last block.
pub(crate) struct Ended {
    /// The last block that was begun may have failed.
    pub finished: Finished,
    /// Blocks that were begun.
    pub blocks: usize,
}

/// Why blocks could not be indexed in one instance.
pub(crate) enum OneInstanceError {
    /// There is no block.
    NoInput,
    /// A WASI command starts once in an instance.
    Wasi,
    /// The first block could not be started, or the instance could not go on from this one to the
    /// next.
    Run {
        /// Its place among the blocks.
        block: usize,
        error: RunError,
    },
}

/// Indexes blocks in one instance, up to the first that fails. `after_block` is told how many were
/// begun.
pub(crate) fn run_in_one_instance(
    runner: &Runner,
    inputs: &[Input],
    state: &mut dyn State,
    start: impl FnOnce(&Input, &dyn State) -> Result<Finished, RunError>,
    mut after_block: impl FnMut(usize),
) -> Result<Ended, OneInstanceError> {
    let (first, others) = inputs.split_first().ok_or(OneInstanceError::NoInput)?;
    if runner.guest().uses_wasi() && !others.is_empty() {
        return Err(OneInstanceError::Wasi);
    }
    let failed = |block| move |error| OneInstanceError::Run { block, error };
    let mut finished = start(first, state).map_err(failed(0))?;
    let mut blocks = 1;
    after_block(blocks);
    for input in others {
        if finished.outcome().is_err() {
            break;
        }
        finished = finished.next(input, state).map_err(failed(blocks - 1))?;
        blocks += 1;
        after_block(blocks);
    }
    Ok(Ended { finished, blocks })
}
