//! Wasmtime, with each of its compilers.

use super::engine::{Engine, EngineError, Subject};
use super::observation::Observation;
use super::scenario::{Scenario, UNREAD_VARIABLE};
use crate::config::RunConfig;
use crate::engine::Compiler;
use crate::image::RegionImage;
use crate::input::Input;
use crate::limits::OnRefusal;
use crate::run::{Finished, Runner};
use crate::state::MemoryState;
use crate::wasi::Output;

/// A module compiled by one of wasmtime's compilers.
pub struct Wasmtime {
    runner: Runner,
}

impl Wasmtime {
    /// Compiles the module; or tells why this machine cannot.
    pub fn new(compiler: Compiler, subject: &Subject) -> Result<Self, String> {
        let config = RunConfig {
            ceiling: u64::MAX,
            compiler,
            ..RunConfig::default()
        };
        let runner = Runner::new(subject.bytes(), config).map_err(|error| error.to_string())?;
        Ok(Wasmtime { runner })
    }
}

impl Engine for Wasmtime {
    fn run(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, EngineError> {
        let failed = |error: &dyn std::fmt::Display| EngineError(error.to_string());
        let config = RunConfig {
            ceiling: scenario.ceiling,
            cache: scenario.cache,
            pregrow: scenario.pregrow,
            refuse_grow: scenario.refuse_grow,
            on_refusal: OnRefusal::ReturnMinusOne,
            env: environment(scenario),
            output: Output::Capture,
            ..self.runner.config().clone()
        };
        let runner = self.runner.with_config(config);
        let runner = runner.map_err(|error| failed(&error))?;
        let finished = runner.start_warm(input, state, image);
        let finished = finished.map_err(|error| failed(&error))?;
        Ok(Observation {
            image: scenario.warm.then(|| finished.image().ok()).flatten(),
            ..observe(&finished)
        })
    }
}

/// The whole environment of a WASI module.
pub(super) fn environment(scenario: &Scenario) -> Vec<(String, String)> {
    match scenario.environment_bytes {
        0 => Vec::new(),
        bytes => vec![(UNREAD_VARIABLE.into(), "x".repeat(bytes))],
    }
}

fn observe(finished: &Finished) -> Observation {
    let (stopped, writes) = match finished.outcome() {
        Ok(writes) => (None, Some(writes.clone())),
        Err(error) => (Some(error.to_string()), None),
    };
    let calls = finished.calls().to_vec();
    Observation {
        grows_asked: Some(finished.report().grows.asked),
        printed: finished.printed(),
        ..Observation::new(stopped, writes, calls, finished.record().as_ref())
    }
}
