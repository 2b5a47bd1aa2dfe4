//! What a wasmtime store carries for one instance.

use crate::limits::Limits;
use crate::metashrew::Exchange;
use crate::wasi::World;

pub(crate) struct Context {
    pub limits: Limits,
    pub exchange: Exchange,
    pub world: World,
}

impl Context {
    /// The guest has returned, or stopped: ends the lines that it has begun to log and to print.
    pub(crate) fn end_lines(&mut self) {
        self.exchange.end_log();
        self.world.end_lines();
    }
}
