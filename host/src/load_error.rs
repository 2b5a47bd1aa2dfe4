//! Why a module is not run.

use steadfast::Plan;
use steadfast::plan::PlanError;

use crate::bounds::Exceeded;
use crate::{metashrew, wasi};

/// Why a module cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not a WebAssembly module, or not a valid one.
    #[error("not a valid WebAssembly module: {0}")]
    Invalid(String),
    /// The module is larger, or harder to compile, than the host allows.
    #[error(transparent)]
    Bound(#[from] Exceeded),
    /// Wasmtime cannot compile for this machine.
    #[error("cannot compile for this machine: {0}")]
    Engine(String),
    /// No function `_start` without parameters and results is exported.
    #[error(
        "the module exports no function `_start` without parameters and results; build it as a cdylib that exports one, or as a WASI command"
    )]
    NoStart,
    /// No memory is exported as `memory`.
    #[error("the module exports no memory named `memory`")]
    NoMemory,
    /// The module is valid with a proposal that this host does not enable.
    #[error(
        "the module needs the WebAssembly proposal \"{name}\", which this host does not enable: {advice}"
    )]
    Proposal {
        /// What it is called.
        name: &'static str,
        /// How to do without it.
        advice: &'static str,
    },
    /// The memory that the module exports is another module's.
    #[error("the module imports its memory: let it define one of its own, and export that")]
    ImportedMemory,
    /// An import that this host does not provide.
    #[error("the module imports `{module}::{name}`, which this host does not provide; it has metashrew's functions in `{env}` and WASI preview 1 in `{wasi}`", env = metashrew::MODULE, wasi = wasi::MODULE)]
    UnknownImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// An import whose type is not what this host provides.
    #[error("an import does not fit what this host provides: {0}")]
    ImportType(String),
    /// The custom section with the plan cannot be read.
    #[error("the module's section `{section}` is damaged: {0}", section = Plan::SECTION)]
    Plan(PlanError),
    /// Two plans.
    #[error("the module has more than one section `{section}`: let one crate alone write steadfast::plan!", section = Plan::SECTION)]
    TwoPlans,
    /// The module declares more memory than it may have.
    #[error(
        "the module declares {initial} bytes of initial memory, and the ceiling is {ceiling}: raise the ceiling to at least {initial}"
    )]
    InitialMemory {
        /// Bytes that the module declares.
        initial: u64,
        /// Bytes that it may have.
        ceiling: u64,
    },
    /// The module declares a maximum for its memory that is below its heap's budget.
    #[error(
        "the module declares a maximum of {maximum} bytes of memory, and its heap's budget ends at {need}: link it with --max-memory={need} or more, or without, or build it with a lower STEADFAST_REGION_BASE"
    )]
    MaximumMemory {
        /// The most that memory can grow to.
        maximum: u64,
        /// Where the heap's budget ends.
        need: u64,
    },
}
