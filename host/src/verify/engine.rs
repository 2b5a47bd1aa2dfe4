//! What an engine does for `verify`.

use std::time::Duration;

use super::observation::Observation;
use super::scenario::Scenario;
use crate::image::RegionImage;
use crate::input::Input;
use crate::state::MemoryState;
use crate::trap::{RunError, Stack};

/// Why an engine could not run a block at all; nothing that the module did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// Why nothing is known of a block that was stopped in the middle.
pub fn took_too_long(limit: Duration) -> String {
    let stack = Stack::default();
    RunError::TimedOut { limit, stack }.to_string()
}

/// Something that runs blocks, each in a fresh instance.
pub trait Engine {
    /// Runs one block in a scenario, on what earlier blocks wrote, with the cache that the last one
    /// left, if it is given one. What the module does wrong is part of the observation.
    ///
    /// # Errors
    ///
    /// When the engine could not run it.
    fn run(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, EngineError>;

    /// Runs all blocks in one instance, from an empty state on, as far as they succeed. What the
    /// heap did is left out.
    ///
    /// # Errors
    ///
    /// When the engine could not run them.
    fn run_kept(
        &mut self,
        _scenario: &Scenario,
        _inputs: &[Input],
    ) -> Result<Vec<Observation>, EngineError> {
        Err(EngineError(
            "this engine has a fresh instance for each block".into(),
        ))
    }

    /// Whether the whole of a module's memory is committed when it grows.
    fn commits_memory(&self) -> bool {
        false
    }

    /// Whether it can use an instance for more than one block.
    fn keeps_instances(&self) -> bool {
        false
    }

    /// Whether it can be told how much stack a module's calls have.
    fn sets_stack(&self) -> bool {
        false
    }
}

/// An engine ready to run, or why it cannot.
pub type Ready = Result<Box<dyn Engine>, String>;
