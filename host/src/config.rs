//! What a host grants to the guests that it runs.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::bounds::Bounds;
use crate::ceiling::machine_ceiling;
use crate::core_dump::CoreDumps;
use crate::engine::Compiler;
use crate::limits::OnRefusal;
use crate::output::Output;

/// The time that a block or a view has where nobody says otherwise. The heaviest blocks of mainnet
/// take a production indexer some seconds; this leaves a hundred times that.
pub const TIMEOUT: Duration = Duration::from_secs(600);

/// How guests are run. The default grants what the machine really has, and changes nothing else.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// Bytes of linear memory that an instance may have.
    pub ceiling: u64,
    /// The largest region, in bytes, that a guest built on steadfast may use for its cache,
    /// whatever it was granted; 0 switches its cache off. `None` leaves it to the guest.
    pub cache: Option<u32>,
    /// Makes the cache of a guest built on steadfast lose entries by chance, as this seed says. A
    /// guest that is right stores the same.
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
    /// Bytes of native stack that the guests' calls may use; `None` is wasmtime's default.
    /// Compiled in.
    pub stack: Option<usize>,
    /// Counts the instructions that guests run. It makes them somewhat slower.
    pub fuel: bool,
    /// Instructions that a block or a view may run, as wasmtime counts fuel; more fail it. It
    /// makes guests somewhat slower.
    pub fuel_limit: Option<u64>,
    /// Looks at the heap whenever the guest flushes, and when it ends, for
    /// [`Finished::heap_marks`](crate::Finished::heap_marks). Each look takes time in proportion
    /// to the heap's blocks.
    pub watch_heap: bool,
    /// Where core dumps of guests that fail are kept; none are taken without. Compiled in.
    pub core_dumps: Option<CoreDumps>,
    /// Time that a block or a view may take; more fails it. `None` lets it run for ever.
    pub timeout: Option<Duration>,
    /// What a guest may take of the host beside its memory and its time.
    pub bounds: Bounds,
    /// Where guests' output and log lines go.
    pub output: Output,
}

impl RunConfig {
    /// Whether guests' instructions are counted.
    pub(crate) fn counts_fuel(&self) -> bool {
        self.fuel || self.fuel_limit.is_some()
    }
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
            fuel_limit: None,
            watch_heap: false,
            core_dumps: None,
            timeout: Some(TIMEOUT),
            bounds: Bounds::default(),
            output: Output::default(),
        }
    }
}
