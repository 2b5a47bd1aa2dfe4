//! Looks at a module's stack of calls at regular times.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use wasmtime::{Engine, Store, StoreContextMut, Trap, UpdateDeadline, WasmBacktrace};

use super::ProfileError;
use super::call_tree::{CallTree, Node};
use super::functions::Functions;
use super::stacks::{Column, Stacks};
use super::symbols::Symbols;
use crate::config::RunConfig;
use crate::context::Context;
use crate::input::Input;
use crate::metashrew::ImportError;
use crate::run::{Runner, run_in_one_instance};
use crate::state::State;
use crate::trap::RunError;

/// Time between two samples.
const INTERVAL: Duration = Duration::from_millis(1);

/// Where a module's time goes.
#[derive(Debug)]
pub struct TimeProfile {
    /// Blocks that were begun.
    pub blocks: usize,
    /// Why the last one failed, if it did.
    pub failure: Option<RunError>,
    /// Samples by stack, one a millisecond: the column `samples`.
    pub stacks: Stacks,
}

/// Indexes blocks in one instance, up to the first that fails, and looks at the stack of calls
/// about every millisecond: at the next call of a function, or the next turn of a loop. Costs next
/// to nothing.
///
/// # Errors
///
/// When the module cannot be run.
pub fn time(
    module: &[u8],
    config: RunConfig,
    inputs: &[Input],
    state: &mut dyn State,
) -> Result<TimeProfile, ProfileError> {
    let bounds = config.bounds;
    let runner = Runner::new(module, config)?;
    let functions = Functions::read(module)?;
    let symbols = Symbols::read(module, &functions);
    let seen = Arc::new(Mutex::new(Seen {
        tree: CallTree::new(symbols.has_lines(), bounds),
        samples: HashMap::new(),
    }));
    let ticking = Ticking::start(runner.engine());
    let ended = run_in_one_instance(
        &runner,
        inputs,
        state,
        |input, state| runner.start_sampled(input, state, |store| watch(store, &seen)),
        |_| (),
    );
    drop(ticking);
    let ended = ended?;
    let seen = seen.lock().expect(NO_PANIC);
    let rows = seen.samples.iter();
    let rows = rows.map(|(stack, samples)| (*stack, vec![*samples]));
    let column = Column {
        name: "samples",
        unit: "count",
    };
    Ok(TimeProfile {
        blocks: ended.blocks,
        stacks: Stacks::new(&[column], &seen.tree, &symbols, rows),
        failure: ended.finished.succeeded().err(),
    })
}

const NO_PANIC: &str = "no holder of the samples panics";

struct Seen {
    tree: CallTree,
    samples: HashMap<Option<Node>, u64>,
}

/// Looks at the stack whenever the epoch has risen.
fn watch(store: &mut Store<Context>, seen: &Arc<Mutex<Seen>>) {
    let seen = Arc::clone(seen);
    store.epoch_deadline_callback(move |store: StoreContextMut<'_, Context>| {
        if store.data().world.is_over() {
            return Err(Trap::Interrupt.into());
        }
        let mut seen = seen.lock().expect(NO_PANIC);
        let stack = seen.tree.enter(&WasmBacktrace::force_capture(&store), 0);
        let stack = stack.map_err(ImportError::Bound)?;
        *seen.samples.entry(stack).or_default() += 1;
        Ok(UpdateDeadline::Continue(1))
    });
}

/// Raises an engine's epoch at regular times, until it is dropped.
struct Ticking(Arc<AtomicBool>);

impl Ticking {
    fn start(engine: &Engine) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (engine, over) = (engine.weak(), Arc::clone(&is_over));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                thread::sleep(INTERVAL);
                let engine = engine.upgrade();
                engine.inspect(Engine::increment_epoch);
            }
        });
        Ticking(is_over)
    }
}

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
