//! How guest code is compiled.

use std::num::NonZeroUsize;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, Strategy};

use crate::deadline;

/// Bytes of native stack for a module's calls, where nobody says otherwise: wasmtime's own default.
pub(crate) const STACK_BYTES: usize = 512 << 10;

/// Frames of a guest's stack that are told, innermost first.
pub(crate) const FRAMES: usize = 256;

/// What makes a module's code run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compiler {
    /// Wasmtime's optimising compiler.
    #[default]
    Cranelift,
    /// Wasmtime's single-pass compiler; with the feature `verify`.
    Winch,
    /// Wasmtime's portable interpreter; with the feature `verify`.
    Pulley,
}

impl Compiler {
    /// Every one of them.
    pub const ALL: [Compiler; 3] = [Compiler::Cranelift, Compiler::Winch, Compiler::Pulley];

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Compiler::Cranelift => "wasmtime (Cranelift)",
            Compiler::Winch => "wasmtime (Winch)",
            Compiler::Pulley => "wasmtime (Pulley)",
        }
    }
}

/// A wasmtime engine that computes the same results on every machine: one bit pattern for every
/// NaN, and relaxed SIMD as its deterministic variant.
///
/// With `fuel` set, compiled code counts the instructions that it runs, which costs it some speed.
///
/// # Errors
///
/// When wasmtime cannot compile for this machine.
pub fn engine(fuel: bool) -> Result<Engine, wasmtime::Error> {
    engine_with(Compiler::Cranelift, fuel)
}

/// As [`engine`], with another compiler. Winch, which cannot give NaNs one bit pattern, leaves them
/// as the machine has them.
///
/// # Errors
///
/// When wasmtime cannot compile for this machine in that way.
pub fn engine_with(compiler: Compiler, fuel: bool) -> Result<Engine, wasmtime::Error> {
    engine_with_stack(compiler, fuel, None)
}

/// As [`engine_with`], with so many bytes of native stack for a module's calls.
///
/// # Errors
///
/// When wasmtime cannot compile for this machine in that way.
pub fn engine_with_stack(
    compiler: Compiler,
    fuel: bool,
    stack: Option<usize>,
) -> Result<Engine, wasmtime::Error> {
    Engine::new(&config(compiler, fuel, stack)?)
}

/// As [`engine_with_stack`], for guests that are stopped when their time is over: each store sets
/// how many epochs it has. With `core_dumps`, the error of one that fails has a core dump.
pub(crate) fn engine_with_deadlines(
    compiler: Compiler,
    fuel: bool,
    stack: Option<usize>,
    core_dumps: bool,
) -> Result<Engine, wasmtime::Error> {
    let mut config = config(compiler, fuel, stack)?;
    config.epoch_interruption(true);
    config.coredump_on_trap(core_dumps);
    let engine = Engine::new(&config)?;
    deadline::watch(&engine);
    Ok(engine)
}

fn config(compiler: Compiler, fuel: bool, stack: Option<usize>) -> Result<Config, wasmtime::Error> {
    let mut config = Config::new();
    config.wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES));
    if let Some(bytes) = stack {
        config.max_wasm_stack(bytes);
    }
    config.consume_fuel(fuel);
    // Shared images are mapped into memories that no other instance takes over.
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    match compiler {
        Compiler::Cranelift => {}
        Compiler::Winch => {
            config.strategy(Strategy::Winch);
            return Ok(config);
        }
        Compiler::Pulley => {
            config.target("pulley64")?;
        }
    }
    config
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    Ok(config)
}
