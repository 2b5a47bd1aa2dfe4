//! How guest code is compiled.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, Strategy};

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

/// As [`engine`], with another compiler. Winch, which cannot give NaNs one bit pattern, leaves them as the machine has them.
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
    let mut config = Config::new();
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
            return Engine::new(&config);
        }
        Compiler::Pulley => {
            config.target("pulley64")?;
        }
    }
    config
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    Engine::new(&config)
}
