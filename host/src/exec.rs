//! Runs a plain WASI preview 1 command, as cargo's runner for `wasm32-wasip1` does.

use std::num::NonZeroU32;
use std::time::Duration;

use wasmtime::{Instance, Linker, Store};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

use crate::bounds::Bounds;
use crate::config::RunConfig;
use crate::deadline::epochs;
use crate::engine::{Compiler, engine_with_deadlines};
use crate::guest::{LoadError, compile, one_line};
use crate::guest_info::GuestInfo;
use crate::limits::{Limits, OnRefusal};
use crate::metashrew::{Import, MODULE};
use crate::outline::check;
use crate::trap::{Known, RunError, explain};
use crate::wasi::CommandWorld;

struct Command {
    limits: Limits,
    wasi: WasiP1Ctx,
}

/// Why a command could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The module cannot be compiled or linked, or has no `_start`.
    #[error("the module cannot be run: {0}")]
    Load(String),
    /// It imports a function of metashrew's.
    #[error(
        "the module imports `{MODULE}::{0}`: it looks like a metashrew indexer, which `steadfast run` runs on blocks"
    )]
    Indexer(&'static str),
    /// The world for it cannot be made.
    #[error("cannot give the command what it was promised: {0}")]
    World(String),
    /// It trapped.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs a command with this process's standard streams and at most `ceiling` bytes of memory;
/// answers its exit status. `forget` and `timeout` are as in [`RunConfig`]; a command that waits in
/// a call of the host's is stopped when that returns.
///
/// # Errors
///
/// When the module cannot be run, or traps.
pub fn exec(
    module: &[u8],
    world: &CommandWorld,
    ceiling: u64,
    forget: Option<NonZeroU32>,
    timeout: Option<Duration>,
) -> Result<i32, ExecError> {
    let load = |error: wasmtime::Error| ExecError::Load(one_line(&error));
    let refused = |error: LoadError| ExecError::Load(error.to_string());
    let bounds = Bounds::default();
    let engine = engine_with_deadlines(Compiler::default(), false, None, false).map_err(load)?;
    check(module, &bounds).map_err(|exceeded| refused(exceeded.into()))?;
    let module = compile(&engine, module, &bounds).map_err(refused)?;
    let mut imports = module.imports().filter(|import| import.module() == MODULE);
    if let Some(import) = imports.find_map(|import| Import::named(import.name())) {
        return Err(ExecError::Indexer(import.name()));
    }
    let mut linker = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |command: &mut Command| &mut command.wasi).map_err(load)?;
    let wasi = world
        .build()
        .map_err(|error| ExecError::World(one_line(&error)))?;
    let limits = Limits::new(ceiling, None, OnRefusal::default());
    let mut store = Store::new(&engine, Command { limits, wasi });
    store.limiter(|command| &mut command.limits);
    store.set_epoch_deadline(timeout.map_or(u64::MAX / 2, epochs));
    let instance = linker.instantiate(&mut store, &module).map_err(load)?;
    if let Some(seed) = forget {
        forget_by(&mut store, &instance, seed).ok_or(RunError::NoInstanceInfo)?;
    }
    let start = instance
        .get_typed_func::<(), ()>(&mut store, "_start")
        .map_err(load)?;
    let config = RunConfig {
        ceiling,
        timeout,
        ..RunConfig::default()
    };
    let known = Known::at_start(&config);
    match start.call(&mut store, ()) {
        Ok(()) => Ok(0),
        Err(error) => match error.downcast_ref::<I32Exit>() {
            Some(exit) => Ok(exit.0),
            None => Err(explain(error, None, &known).into()),
        },
    }
}

/// Tells the command's cache what to lose entries by, if it has instance info to tell it in.
fn forget_by(store: &mut Store<Command>, instance: &Instance, seed: NonZeroU32) -> Option<()> {
    let info = GuestInfo::of(instance, &mut *store)?;
    let memory = instance.get_memory(&mut *store, "memory")?;
    info.forget_by(memory.data_mut(store), seed)
}
