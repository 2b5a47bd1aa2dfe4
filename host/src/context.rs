//! What a wasmtime store carries for one instance.

use wasmtime_wasi::p1::WasiP1Ctx;

use crate::limits::Limits;
use crate::metashrew::Exchange;

pub(crate) struct Context {
    pub limits: Limits,
    pub exchange: Exchange,
    /// Present for modules that import WASI.
    pub wasi: Option<WasiP1Ctx>,
}
