//! Runs a module and puts the instructions that it runs down to its functions.

use std::sync::{Arc, Mutex};

use wasmtime::Caller;

use super::ProfileError;
use super::call_tree::{CallTree, Node, Place};
use super::calls::{Boundary, COST, ENTRY, IMPORT, tell_calls};
use super::functions::Functions;
use super::stacks::{Column, Stacks};
use super::symbols::Symbols;
use crate::bounds::{Bound, Bounds, Exceeded};
use crate::config::RunConfig;
use crate::context::Context;
use crate::engine::{FRAMES, STACK_BYTES};
use crate::input::Input;
use crate::metashrew::ImportError;
use crate::outline;
use crate::run::{Ended, OneInstanceError, Runner, run_in_one_instance};
use crate::state::State;
use crate::trap::RunError;

/// Where a module's fuel goes.
#[derive(Debug)]
pub struct FuelProfile {
    /// Blocks that were begun.
    pub blocks: usize,
    /// Why the last one failed, if it did.
    pub failure: Option<RunError>,
    /// Fuel by stack: the column `fuel`. Of the calls in a stack of more than 256, those in the
    /// middle are left out.
    pub stacks: Stacks,
}

impl FuelProfile {
    /// All of it: what a run of the same blocks in one instance counts.
    #[must_use]
    pub fn fuel(&self) -> u64 {
        self.stacks.total(0)
    }
}

/// Indexes blocks in one instance, up to the first that fails, and puts the fuel that each
/// instruction takes down to its function. The figures are the same in every run. Takes many times
/// as long as the blocks do.
///
/// The module has twice the stack that `config` grants, since the rewritten functions take more of
/// it.
///
/// # Errors
///
/// When the module cannot be run.
pub fn fuel(
    module: &[u8],
    config: RunConfig,
    inputs: &[Input],
    state: &mut dyn State,
) -> Result<FuelProfile, ProfileError> {
    let bounds = config.bounds;
    outline::check(module, &bounds).map_err(|exceeded| ProfileError::Load(exceeded.into()))?;
    let functions = Functions::read(module)?;
    let rewritten = tell_calls(module, &functions).map_err(ProfileError::Rewrite)?;
    let limit = config.fuel_limit.unwrap_or(u64::MAX);
    let config = RunConfig {
        fuel: true,
        stack: Some(config.stack.unwrap_or(STACK_BYTES) * 2),
        bounds: larger(bounds),
        ..config
    };
    let spent = Arc::new(Mutex::new(Spent::new(bounds)));
    let listener = Arc::clone(&spent);
    let tell = move |mut caller: Caller<'_, Context>, boundary: i32| {
        let left = given_back(&mut caller)?;
        let mut spent = listener.lock().expect(NO_PANIC);
        let passed = spent.pass(Boundary::numbered(boundary), limit.saturating_sub(left));
        passed.map_err(|exceeded| wasmtime::Error::from(ImportError::Bound(exceeded)))
    };
    let runner = Runner::with_imports(&rewritten, module, config, |linker| {
        linker.func_wrap(IMPORT.0, IMPORT.1, tell).map(drop)
    })?;
    let ended = run_in_one_instance(
        &runner,
        inputs,
        state,
        |input, state| runner.start(input, state),
        |_| (),
    );
    let mut spent = spent.lock().expect(NO_PANIC);
    let (blocks, failure) = match ended {
        Ok(Ended { finished, blocks }) => {
            spent.end(finished.report().fuel.unwrap_or(0));
            (blocks, finished.succeeded().err())
        }
        // A start function has run, and failed.
        Err(OneInstanceError::Run { block, error }) if !spent.fuel.is_empty() => {
            (block + 1, Some(error))
        }
        Err(error) => return Err(error.into()),
    };
    let rows = (0..).zip(&spent.fuel);
    let rows = rows.map(|(node, fuel)| (Some(node), vec![*fuel]));
    let outside = (spent.outside > 0).then(|| (None, vec![spent.outside]));
    let column = Column {
        name: "fuel",
        unit: "count",
    };
    let symbols = Symbols::of(&functions);
    Ok(FuelProfile {
        blocks,
        stacks: Stacks::new(&[column], &spent.tree, &symbols, rows.chain(outside)),
        failure,
    })
}

const NO_PANIC: &str = "no holder of the counts panics";

/// Bounds for the rewritten form of a module that has been held to these.
fn larger(bounds: Bounds) -> Bounds {
    let grow = [
        Bound::ModuleBytes,
        Bound::FunctionBytes,
        Bound::Instructions,
        Bound::Branching,
    ];
    let twice = |bounds: Bounds, bound| bounds.with(bound, bounds.most(bound).saturating_mul(2));
    grow.into_iter().fold(bounds, twice)
}

/// Gives back what the call of the import took, and tells what the module has left. So a run counts
/// what the module takes as it is. One that has used up its limit stays without.
fn given_back(caller: &mut Caller<'_, Context>) -> Result<u64, wasmtime::Error> {
    match caller.get_fuel()? {
        0 => Ok(0),
        left => {
            let left = left.saturating_add(COST);
            caller.set_fuel(left)?;
            Ok(left)
        }
    }
}

/// What was spent, by stack of calls.
struct Spent {
    tree: CallTree,
    /// Of each node of the tree.
    fuel: Vec<u64>,
    /// Of no function: wasmtime's own way to a start function.
    outside: u64,
    /// The stacks of the calls that have not ended, outermost first.
    path: Vec<Node>,
    /// What had been put down at the last boundary.
    last: u64,
    /// The last boundary was the beginning of a function.
    has_begun: bool,
}

impl Spent {
    fn new(bounds: Bounds) -> Self {
        Spent {
            tree: CallTree::new(false, bounds),
            fuel: Vec::new(),
            outside: 0,
            path: Vec::new(),
            last: 0,
            has_begun: false,
        }
    }

    /// Passes from one function to another, when so much has been spent in all.
    fn pass(&mut self, boundary: Boundary, spent: u64) -> Result<(), Exceeded> {
        self.has_begun = matches!(boundary, Boundary::Begins(_));
        match boundary {
            Boundary::Begins(function) => {
                self.put_down(spent - ENTRY.min(spent));
                // Those in between are left out, so that what is kept of a deep recursion is
                // bounded.
                let parent = self.path.len().min(FRAMES).checked_sub(1);
                let parent = parent.map(|at| self.path[at]);
                let place = Place {
                    function,
                    offset: 0,
                };
                let node = self.tree.child(parent, place)?;
                self.fuel.resize(self.fuel.len().max(node as usize + 1), 0);
                self.path.push(node);
            }
            Boundary::Returns => {
                self.put_down(spent);
                self.path.pop();
            }
            Boundary::TailCalls => {
                // The call itself follows.
                self.put_down(spent + 1);
                self.path.pop();
            }
            Boundary::Stops => self.put_down(spent),
        }
        Ok(())
    }

    /// Ends the account of a run that has spent so much in all.
    fn end(&mut self, spent: u64) {
        // Wasmtime counts instructions at calls and returns. What a function that traps has run
        // since is not counted, nor is its entry, but for the call that told of it.
        let uncounted = match self.has_begun && spent == self.last + ENTRY {
            true => ENTRY,
            false => 0,
        };
        self.put_down(spent - uncounted);
    }

    /// Puts what was spent since the last time down to the innermost call.
    fn put_down(&mut self, spent: u64) {
        // With a limit, each block begins with none.
        let since = spent.checked_sub(self.last).unwrap_or(spent);
        self.last = spent;
        match self.path.last() {
            Some(node) => self.fuel[*node as usize] += since,
            None => self.outside += since,
        }
    }
}
