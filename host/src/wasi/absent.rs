//! A host without WASI, in which no module that imports it runs.

use std::time::Instant;

use wasmtime::{Linker, Module};

use crate::bounds::Bounds;
use crate::metashrew::Exchange;
use crate::output::{Output, Printed};

/// Whether modules that import WASI can be run.
pub(crate) const IS_THERE: bool = false;

/// Defines nothing.
pub(crate) fn add_to_linker<T>(
    _linker: &mut Linker<T>,
    _module: &Module,
    _parts: fn(&mut T) -> (&mut World, &mut Exchange),
) -> Result<(), wasmtime::Error> {
    Ok(())
}

/// No module exits without WASI.
pub(crate) fn exit_status(_error: &wasmtime::Error) -> Option<i32> {
    None
}

/// There is none.
pub(crate) enum World {}

impl World {
    /// Always an error; a module that would need one is refused before.
    pub(crate) fn new(
        _input: &[u8],
        _env: &[(String, String)],
        _output: Output,
        _bounds: &Bounds,
    ) -> Result<World, WorldError> {
        Err(WorldError)
    }

    /// Nothing waits.
    pub(crate) fn set_deadline(&mut self, _deadline: Option<Instant>) {
        match *self {}
    }

    /// Nothing has begun.
    pub(crate) fn end_lines(&self) {
        match *self {}
    }

    /// Nothing.
    pub(crate) fn printed(&self) -> Printed {
        match *self {}
    }
}

/// Why a guest's world could not be made.
#[derive(Debug, thiserror::Error)]
#[error("this host is built without WASI")]
pub struct WorldError;
