//! A module: compiled, and checked for what a host needs of it, before anything runs.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use steadfast::Plan;
use wasmtime::{Engine, Module};

use crate::bounds::{Bound, Bounds};
use crate::digest::Digest;
#[cfg(feature = "check")]
use crate::engine::engine;
use crate::image::{ImageError, check_module, module_digest};
use crate::outline::{self, Outline};
use crate::{proposal, requirements, text};

pub use crate::load_error::LoadError;
pub use crate::outline::DeclaredMemory;

/// A module that a host can run.
#[derive(Clone, Debug)]
pub struct Guest {
    module: Module,
    outline: Outline,
    has_start: bool,
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
        Self::load_within(engine, bytes, &Bounds::default())
    }

    /// As [`load`](Self::load), with other bounds on what the module may have and how long it may
    /// take to compile.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load) has it.
    pub fn load_within(engine: &Engine, bytes: &[u8], bounds: &Bounds) -> Result<Self, LoadError> {
        outline::check(bytes, bounds)?;
        let module = compile(engine, bytes, bounds)?;
        Ok(Guest {
            outline: Outline::of(bytes)?,
            has_start: requirements::has_start(bytes)?,
            digest: module_digest(bytes),
            module,
        })
    }

    /// What the module's bytes tell.
    pub fn outline(&self) -> &Outline {
        &self.outline
    }

    /// Checks that the module has a function `_start` without parameters and results.
    ///
    /// # Errors
    ///
    /// [`LoadError::NoStart`].
    pub fn check_start(&self) -> Result<(), LoadError> {
        match self.has_start {
            true => Ok(()),
            false => Err(LoadError::NoStart),
        }
    }

    /// The plan in the module's custom section, for a module that is built on steadfast.
    pub fn plan(&self) -> Option<&Plan> {
        self.outline.plan()
    }

    /// Whether the module is built on steadfast, and its custom sections were stripped: nobody can
    /// read its plan then. One that has a plan without a section, since it keeps another global
    /// allocator, still tells what produced it.
    pub fn is_stripped(&self) -> bool {
        self.outline.is_stripped()
    }

    /// The memory that the module declares.
    pub fn declared_memory(&self) -> DeclaredMemory {
        self.outline.declared_memory()
    }

    /// Bytes of linear memory without which the module cannot run: what it declares, and for a
    /// module that is built on steadfast its heap's budget, which ends where the region begins.
    pub fn memory_needed(&self) -> u64 {
        self.outline.memory_needed()
    }

    /// Whether the module exports steadfast's instance info.
    pub fn has_instance_info(&self) -> bool {
        self.outline.has_instance_info()
    }

    /// Whether the module imports WASI preview 1.
    pub fn uses_wasi(&self) -> bool {
        self.outline.uses_wasi()
    }

    /// Whether the module has the part of the budget that serves C: it exports C's allocation
    /// family, as `plan!` has it on WASI and with the feature `c`.
    pub fn serves_c(&self) -> bool {
        self.outline.serves_c()
    }

    /// Whether the module asks for the image of its cache and offers the next one itself: it is
    /// built with steadfast's feature `image`.
    pub fn asks_for_image(&self) -> bool {
        self.outline.asks_for_image()
    }

    /// Checks that an image of a module, with a region at an address, is for this one.
    ///
    /// # Errors
    ///
    /// When it is another module's, or its region is not where this module's plan has it.
    pub fn check_image(&self, base: u32, module: Digest) -> Result<(), ImageError> {
        check_module(module, self.digest)?;
        match self.plan() {
            Some(plan) => check_place(plan, base),
            None => Ok(()),
        }
    }

    /// The most bytes that an image of the module's region has.
    pub fn most_image_bytes(&self) -> u64 {
        let most = self.plan().map(|plan| plan.region_max().get());
        most.unwrap_or(Bound::ImageBytes.default())
    }

    /// The SHA-256 digest of the module's bytes, by which images of caches tell modules apart.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn module(&self) -> &Module {
        &self.module
    }
}

/// Checks that an image at an address is in the region that a plan has.
pub(crate) fn check_place(plan: &Plan, base: u32) -> Result<(), ImageError> {
    let expected = plan.region_base().get();
    if u64::from(base) == expected {
        Ok(())
    } else {
        Err(ImageError::Place { base, expected })
    }
}

/// Compiles a module, within the time that there is for it. A module that takes longer is compiled
/// to its end all the same, by a thread of its own: no compiler can be stopped.
pub(crate) fn compile(engine: &Engine, bytes: &[u8], bounds: &Bounds) -> Result<Module, LoadError> {
    let limit = Duration::from_secs(bounds.most(Bound::CompileSeconds));
    let (sender, compiled) = mpsc::channel();
    let (compiler, copy) = (engine.clone(), bytes.to_vec());
    thread::Builder::new()
        .name("steadfast-compile".into())
        .spawn(move || {
            // Nobody waits any more when that fails.
            let _ = sender.send(Module::from_binary(&compiler, &copy));
        })
        .map_err(|error| LoadError::Engine(error.to_string()))?;
    match compiled.recv_timeout(limit) {
        Ok(Ok(module)) => Ok(module),
        Ok(Err(error)) => {
            // In the validator's words, where it is the validator that refuses it.
            let error = Module::validate(engine, bytes).err().unwrap_or(error);
            Err(invalid(bytes, &error))
        }
        Err(RecvTimeoutError::Timeout) => Err(bounds.exceeded(Bound::CompileSeconds).into()),
        Err(RecvTimeoutError::Disconnected) => {
            Err(LoadError::Invalid("the compiler gave up on it".into()))
        }
    }
}

/// Checks all that [`Runner::new`](crate::Runner::new) checks but for a ceiling, and compiles
/// nothing.
#[cfg(feature = "check")]
pub(crate) fn examine(bytes: &[u8], bounds: &Bounds) -> Result<(), LoadError> {
    outline::check(bytes, bounds)?;
    let engine = engine(false).map_err(|error| LoadError::Engine(one_line(&error)))?;
    Module::validate(&engine, bytes).map_err(|error| invalid(bytes, &error))?;
    let outline = Outline::of(bytes)?;
    requirements::check(bytes)?;
    outline.check_maximum()
}

fn invalid(bytes: &[u8], error: &wasmtime::Error) -> LoadError {
    proposal::needed(bytes).unwrap_or_else(|| LoadError::Invalid(one_line(error)))
}

/// What a core dump begins with that comes with an error. It says nothing that the error does not.
const CORE_DUMP: &str = "wasm coredump generated";

/// An error and its causes, without line breaks and without anything that steers a terminal.
pub(crate) fn one_line(error: &wasmtime::Error) -> String {
    let causes = error.chain().map(|cause| cause.to_string());
    let causes = causes.filter(|cause| !cause.starts_with(CORE_DUMP));
    text::reason(&causes.collect::<Vec<_>>().join(": "))
}
