//! How guest code is compiled.

use wasmtime::{Config, Engine};

/// A wasmtime engine that computes the same results on every machine: one bit pattern for every
/// NaN, and relaxed SIMD as its deterministic variant.
///
/// With `fuel` set, compiled code counts the instructions that it runs, which costs it some speed.
///
/// # Errors
///
/// When wasmtime cannot compile for this machine.
pub fn engine(fuel: bool) -> Result<Engine, wasmtime::Error> {
    let mut config = Config::new();
    config
        .consume_fuel(fuel)
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    Engine::new(&config)
}
