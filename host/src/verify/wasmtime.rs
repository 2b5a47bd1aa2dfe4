//! Wasmtime, with each of its compilers.

use steadfast::format::{InstanceInfo, Reservation};

use super::engine::{Engine, EngineError};
use super::observation::{Observation, Stop};
use super::scenario::{Scenario, UNREAD_VARIABLE};
use super::subject::Subject;
use crate::config::RunConfig;
use crate::engine::Compiler;
use crate::image::RegionImage;
use crate::input::Input;
use crate::limits::OnRefusal;
use crate::output::Output;
use crate::run::{Finished, Runner};
use crate::state::MemoryState;
use crate::trap::RunError;

/// A module compiled by one of wasmtime's compilers.
pub struct Wasmtime {
    runner: Runner,
    module: Vec<u8>,
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
        Ok(Wasmtime {
            runner,
            module: subject.bytes().to_vec(),
        })
    }

    /// The module as a scenario has it run. Less stack is compiled in.
    fn runner(&self, scenario: &Scenario) -> Result<Runner, EngineError> {
        let config = RunConfig {
            ceiling: scenario.ceiling,
            cache: scenario.cache,
            forget: scenario.forget,
            pregrow: scenario.pregrow,
            refuse_grow: scenario.refuse_grow,
            on_refusal: OnRefusal::ReturnMinusOne,
            env: environment(scenario),
            output: Output::Capture,
            stack: scenario.stack,
            timeout: Some(scenario.timeout),
            ..self.runner.config().clone()
        };
        let runner = match scenario.stack {
            Some(_) => Runner::new(&self.module, config),
            None => self.runner.with_config(config),
        };
        runner.map_err(|error| failed(&error))
    }
}

/// What a module would have done is not known where its time was over.
fn in_time(finished: &Finished) -> Result<(), EngineError> {
    match finished.outcome() {
        Err(error @ (RunError::TimedOut { .. } | RunError::Bound(_))) => Err(failed(error)),
        _ => Ok(()),
    }
}

fn failed(error: &dyn std::fmt::Display) -> EngineError {
    EngineError(error.to_string())
}

impl Engine for Wasmtime {
    fn run(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, EngineError> {
        let runner = self.runner(scenario)?;
        let finished = runner.start_warm(input, state, image);
        let finished = finished.map_err(|error| failed(&error))?;
        in_time(&finished)?;
        Ok(Observation {
            image: scenario.warm.then(|| finished.image().ok()).flatten(),
            ..observe(&finished)
        })
    }

    fn run_kept(
        &mut self,
        scenario: &Scenario,
        inputs: &[Input],
    ) -> Result<Vec<Observation>, EngineError> {
        let runner = self.runner(scenario)?;
        let mut state = MemoryState::default();
        let mut seen = Vec::new();
        let mut kept: Option<Finished> = None;
        for input in inputs {
            let finished = match kept.take() {
                Some(last) => last.next(input, &mut state),
                None => runner.start(input, &state),
            };
            let finished = finished.map_err(|error| failed(&error))?;
            in_time(&finished)?;
            seen.push(observe(&finished).without_heap());
            if finished.outcome().is_err() {
                break;
            }
            kept = Some(finished);
        }
        Ok(seen)
    }

    fn keeps_instances(&self) -> bool {
        true
    }

    fn sets_stack(&self) -> bool {
        true
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
        Err(error) => {
            let stop = Stop {
                reason: error.to_string(),
                is_stack: error.is_stack_exhausted(),
            };
            (Some(stop), None)
        }
    };
    let calls = finished.calls().to_vec();
    // Instance info that tells of a refused budget is believed where the host has refused one.
    let is_refused = matches!(finished.outcome(), Err(RunError::BudgetRefused { .. }));
    let claims = |info: &InstanceInfo| info.state == Reservation::BudgetRefused as u32;
    let info = finished.instance_info();
    let info = info.filter(|info| is_refused || !claims(info));
    let seen = finished.report().observed.as_ref();
    Observation {
        other_format: seen.and_then(|seen| seen.other_format),
        grows_asked: Some(finished.report().grows.asked),
        printed: finished.printed(),
        ..Observation::new(stopped, writes, calls, info.as_ref())
    }
}
