//! A module: compiled, and checked for what a host needs of it, before anything runs.

use steadfast::Plan;
use steadfast::format::Record;
use steadfast::plan::PlanError;
use wasmtime::{Engine, ExternType, Module};

use crate::ceiling::PAGE_BYTES;
use crate::digest::Digest;
use crate::image::module_digest;
use crate::metashrew::Import;
use crate::{metashrew, proposal, wasi};

/// Why a module cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are not a WebAssembly module, or not a valid one.
    #[error("not a valid WebAssembly module: {0}")]
    Invalid(String),
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
    /// The module imports WASI, and this library is built without its feature `wasi`.
    #[error(
        "the module imports WASI, and this host is built without: build steadfast-host with its feature `wasi`"
    )]
    NoWasi,
    /// An import whose type is not what this host provides.
    #[error("an import does not fit what this host provides: {0}")]
    ImportType(String),
    /// The custom section with the plan cannot be read.
    #[error("the module's section `{section}` is damaged: {0}", section = Plan::SECTION)]
    Plan(#[from] PlanError),
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

/// The memory that a module declares, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclaredMemory {
    /// What an instance begins with.
    pub initial: u64,
    /// The most that it can grow to, where the module says so.
    pub maximum: Option<u64>,
}

/// A module that a host can run.
#[derive(Clone, Debug)]
pub struct Guest {
    module: Module,
    memory: DeclaredMemory,
    plan: Option<Plan>,
    names_producers: bool,
    has_record: bool,
    uses_wasi: bool,
    serves_c: bool,
    asks_for_image: bool,
    digest: Digest,
}

impl Guest {
    /// Compiles a module and checks its memory, its imports' modules and its plan.
    ///
    /// # Errors
    ///
    /// When the bytes are not a module, when its memory is missing or of an unusual kind, and when
    /// its plan cannot be read.
    pub fn load(engine: &Engine, bytes: &[u8]) -> Result<Self, LoadError> {
        let module = Module::from_binary(engine, bytes).map_err(|error| {
            proposal::needed(bytes).unwrap_or_else(|| LoadError::Invalid(one_line(&error)))
        })?;
        let memory = declared_memory(&module, bytes)?;
        let sections = Sections::read(bytes)?;
        let asks_for_image = Import::imported_by(&module).any(|import| import == Import::LoadImage);
        Ok(Guest {
            memory,
            plan: sections.plan,
            names_producers: sections.names_producers,
            has_record: module.get_export(Record::EXPORT).is_some(),
            asks_for_image,
            uses_wasi: wasi::is_imported_by(&module),
            serves_c: module.get_export("malloc").is_some(),
            digest: module_digest(bytes),
            module,
        })
    }

    /// Checks that the module has a function `_start` without parameters and results.
    ///
    /// # Errors
    ///
    /// [`LoadError::NoStart`].
    pub fn check_start(&self) -> Result<(), LoadError> {
        match self.module.get_export("_start") {
            Some(ExternType::Func(start))
                if start.params().len() == 0 && start.results().len() == 0 =>
            {
                Ok(())
            }
            _ => Err(LoadError::NoStart),
        }
    }

    /// The plan in the module's custom section, for a module that is built on steadfast.
    pub fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }

    /// Whether the module is built on steadfast, and its custom sections were stripped: nobody can read its plan then. One that
    /// has a plan without a section, since it keeps another global allocator, still tells what produced it.
    pub fn is_stripped(&self) -> bool {
        self.has_record && self.plan.is_none() && !self.names_producers
    }

    /// The memory that the module declares.
    pub fn declared_memory(&self) -> DeclaredMemory {
        self.memory
    }

    /// Bytes of linear memory without which the module cannot run: what it declares, and for a
    /// module that is built on steadfast its heap's budget, which ends where the region begins.
    pub fn memory_needed(&self) -> u64 {
        let budget_end = self.plan.map_or(0, |plan| plan.region_base().get());
        self.memory.initial.max(budget_end)
    }

    /// Whether the module exports steadfast's record.
    pub fn has_record(&self) -> bool {
        self.has_record
    }

    /// Whether the module imports WASI preview 1.
    pub fn uses_wasi(&self) -> bool {
        self.uses_wasi
    }

    /// Whether the module has the part of the budget that serves C: it exports C's allocation family, as `plan!` has it on WASI
    /// and with the feature `c`.
    pub fn serves_c(&self) -> bool {
        self.serves_c
    }

    /// Whether the module asks for the image of its cache and offers the next one itself: it is built with steadfast's feature `image`.
    pub fn asks_for_image(&self) -> bool {
        self.asks_for_image
    }

    /// The SHA-256 digest of the module's bytes, by which images of caches tell modules apart.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn module(&self) -> &Module {
        &self.module
    }
}

/// An error and its causes, without line breaks.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(|cause| cause.to_string()).collect();
    let joined = causes.join(": ");
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn declared_memory(module: &Module, bytes: &[u8]) -> Result<DeclaredMemory, LoadError> {
    let Some(ExternType::Memory(memory)) = module.get_export("memory") else {
        return Err(LoadError::NoMemory);
    };
    let plain = !memory.is_64() && !memory.is_shared() && memory.page_size() == PAGE_BYTES;
    if !plain || module.resources_required().num_memories != 1 {
        return Err(proposal::needed(bytes).unwrap_or(LoadError::ImportedMemory));
    }
    Ok(DeclaredMemory {
        initial: memory.minimum() * PAGE_BYTES,
        maximum: memory.maximum().map(|pages| pages * PAGE_BYTES),
    })
}

/// What custom sections tell.
struct Sections {
    plan: Option<Plan>,
    /// Compilers say which they are, unless that is stripped.
    names_producers: bool,
}

impl Sections {
    fn read(bytes: &[u8]) -> Result<Self, LoadError> {
        use wasmparser::{Parser, Payload};
        let mut sections = Sections {
            plan: None,
            names_producers: false,
        };
        for payload in Parser::new(0).parse_all(bytes) {
            // Wasmtime has accepted the bytes: what this parser cannot read is no custom section.
            let Ok(Payload::CustomSection(section)) = payload else {
                continue;
            };
            sections.names_producers |= section.name() == "producers";
            if section.name() == Plan::SECTION
                && sections
                    .plan
                    .replace(Plan::decode(section.data())?)
                    .is_some()
            {
                return Err(LoadError::TwoPlans);
            }
        }
        Ok(sections)
    }
}
