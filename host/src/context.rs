//! What a wasmtime store carries for one instance.

use crate::limits::Limits;
use crate::metashrew::Exchange;
use crate::wasi::World;

pub(crate) struct Context {
    pub limits: Limits,
    pub exchange: Exchange,
    /// Present for modules that import WASI.
    pub world: Option<World>,
}
