//! What a host grants to the guests that it runs.

use std::num::NonZeroU32;

use crate::ceiling::machine_ceiling;
use crate::engine::Compiler;
use crate::limits::OnRefusal;
use crate::output::Output;

/// How guests are run. The default grants what the machine really has, and changes nothing else.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Bytes of linear memory that an instance may have.
    pub ceiling: u64,
    /// The largest region, in bytes, that a guest built on steadfast may use for its cache,
    /// whatever it was granted; 0 switches its cache off. `None` leaves it to the guest.
    pub cache: Option<u32>,
    /// Makes the cache of a guest built on steadfast lose entries by chance, as this seed says. A guest that is right stores
    /// the same.
    pub forget: Option<NonZeroU32>,
    /// Pages of memory that the host grows an instance to, in all, before `_start`. An instance
    /// that has more already keeps it.
    pub pregrow: Option<u64>,
    /// The guest's `memory.grow` that is refused, counted from 1, whatever it asks for.
    pub refuse_grow: Option<u64>,
    /// What a guest sees of a refusal.
    pub on_refusal: OnRefusal,
    /// The whole environment of a WASI guest.
    pub env: Vec<(String, String)>,
    /// What makes the guests' code run.
    pub compiler: Compiler,
    /// Bytes of native stack that the guests' calls may use; `None` is wasmtime's default. Compiled in.
    pub stack: Option<usize>,
    /// Counts the instructions that guests run. It makes them somewhat slower.
    pub fuel: bool,
    /// Where guests' output and log lines go.
    pub output: Output,
}

impl Default for RunConfig {
    fn default() -> Self {
        RunConfig {
            ceiling: machine_ceiling(),
            cache: None,
            forget: None,
            pregrow: None,
            refuse_grow: None,
            on_refusal: OnRefusal::default(),
            env: Vec::new(),
            compiler: Compiler::default(),
            stack: None,
            fuel: false,
            output: Output::default(),
        }
    }
}
