//! Whether a module computes the same whatever memory it is given.
//!
//! [`verify`] runs a module on the same blocks on every engine there is and under every kind of memory that a host may
//! grant, and compares what came of it with a first run that was refused nothing: what each block wrote and printed, which
//! imports it called, the addresses that its heap gave out, and whether and where it ran out of memory. Reads of the state are
//! not compared, since a cache saves some of them; lines logged through metashrew's `__log` are not either.

mod engine;
mod javascript;
mod observation;
mod report;
mod rewrite;
mod scenario;
mod wasmi;
mod wasmtime;

pub use self::engine::{Engine, EngineError, Subject, engines};
pub use self::observation::{Difference, Ended, Exhaustion, Observation};
pub use self::report::{Outcome, Row, Verdict, VerifyReport};
pub use self::scenario::{Extent, Scenario};

use crate::guest::LoadError;
use crate::input::Input;
use crate::state::{MemoryState, State, StateError, state_digest};

/// Why nothing could be compared.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The module cannot be run at all.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The first run, which is refused nothing, could not be made or did not finish.
    #[error("the run that all others are compared with failed, on {engine}: {reason}")]
    Reference {
        /// The engine.
        engine: &'static str,
        /// What happened.
        reason: String,
    },
    /// The state could not be kept.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Runs `module` on `inputs` through the matrix of engines and memories, and compares. `progress` is told of each run
/// as it begins: its number, how many there are, its engine and its scenario.
///
/// # Errors
///
/// When the module cannot be run, or its first run does not finish.
pub fn verify(
    module: &[u8],
    inputs: &[Input],
    extent: Extent,
    mut progress: impl FnMut(usize, usize, &str, &str),
) -> Result<VerifyReport, VerifyError> {
    let subject = Subject::new(module)?;
    let mut engines = engines(&subject);
    let first = engines
        .iter_mut()
        .find_map(|(name, engine)| Some((*name, engine.as_mut().ok()?)));
    let Some((name, reference_engine)) = first else {
        return Err(VerifyError::Reference {
            engine: "any engine",
            reason: "no engine is here".into(),
        });
    };
    let reference = Run::of(
        name,
        reference_engine.as_mut(),
        &Scenario::reference(),
        inputs,
    )?;
    if let Some(reason) = reference.failure() {
        return Err(VerifyError::Reference {
            engine: name,
            reason,
        });
    }
    // A block that is alone is run twice, so that there is one that can begin warm.
    let twice = match inputs {
        [one] if subject.has_record() => Some(vec![one.clone(), one.clone()]),
        _ => None,
    };
    let twice_reference = twice.as_ref().map(|twice| {
        Run::of(
            name,
            reference_engine.as_mut(),
            &Scenario::reference(),
            twice,
        )
    });
    let twice_reference = twice_reference.transpose()?;
    let scenarios = Scenario::matrix(&subject, reference.grows(), extent);
    let mut report = VerifyReport::new(state_digest(&reference.state)?);
    let runs = engines.len() * scenarios.len();
    for (at, (name, engine)) in engines.iter_mut().enumerate() {
        let engine = match engine {
            Ok(engine) => engine,
            Err(reason) => {
                report.push(name, "all", Outcome::Skipped(reason.clone()));
                continue;
            }
        };
        for (place, scenario) in scenarios.iter().enumerate() {
            if at > 0 && extent == Extent::Quick && !scenario.is_quick() {
                continue;
            }
            progress(at * scenarios.len() + place, runs, name, &scenario.name);
            let (inputs, reference) = match (&twice, &twice_reference) {
                (Some(twice), Some(reference)) if scenario.warm => (&twice[..], reference),
                _ => (inputs, &reference),
            };
            let outcome = match reference.failure() {
                Some(reason) => {
                    Outcome::Skipped(format!("a second time, the block fails: {reason}"))
                }
                None => compare(engine.as_mut(), scenario, inputs, reference)?,
            };
            report.push(name, &scenario.name, outcome);
        }
    }
    Ok(report)
}

/// What a module did with a sequence of blocks.
struct Run {
    blocks: Vec<Observation>,
    state: MemoryState,
}

impl Run {
    fn of(
        name: &'static str,
        engine: &mut dyn Engine,
        scenario: &Scenario,
        inputs: &[Input],
    ) -> Result<Run, VerifyError> {
        let mut run = Run {
            blocks: Vec::new(),
            state: MemoryState::default(),
        };
        for input in inputs {
            let block = engine.run(scenario, input, &run.state, None);
            let block = block.map_err(|EngineError(reason)| VerifyError::Reference {
                engine: name,
                reason,
            })?;
            run.state.apply(&block.writes)?;
            run.blocks.push(block);
        }
        Ok(run)
    }

    fn failure(&self) -> Option<String> {
        self.blocks.iter().find_map(|block| match &block.ended {
            Ended::Finished => None,
            Ended::Stopped(reason) | Ended::BudgetRefused(reason) => Some(reason.clone()),
        })
    }

    /// The most calls of `memory.grow` in any block.
    fn grows(&self) -> u64 {
        let grows = self.blocks.iter().filter_map(|block| block.grows_asked);
        grows.max().unwrap_or(0)
    }
}

/// Runs the blocks once more, in one scenario, as far as they are the same.
fn compare(
    engine: &mut dyn Engine,
    scenario: &Scenario,
    inputs: &[Input],
    reference: &Run,
) -> Result<Outcome, VerifyError> {
    let mut state = MemoryState::default();
    let mut last: Option<Observation> = None;
    for (input, expected) in inputs.iter().zip(&reference.blocks) {
        let image = last.as_ref().and_then(|last| last.image.as_ref());
        let seen = match engine.run(scenario, input, &state, image) {
            Ok(seen) => seen,
            Err(EngineError(reason)) => return Ok(Outcome::CouldNotRun(reason)),
        };
        if let (Ended::BudgetRefused(_), true) = (&seen.ended, scenario.may_refuse_budget) {
            return Ok(Outcome::RefusedAsDefined);
        }
        if let Some(difference) = expected.difference(&seen) {
            return Ok(Outcome::Different {
                height: input.height(),
                difference,
            });
        }
        state.apply(&seen.writes)?;
        last = Some(seen);
    }
    Ok(Outcome::Same {
        state: state_digest(&state)?,
        capacity_bytes: last.and_then(|seen| seen.capacity_bytes),
    })
}
