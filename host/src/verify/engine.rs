//! The engines that a module is run on.

use steadfast::Plan;

use super::javascript::{Browser, JavaScript, Kind, Node};
use super::observation::Observation;
use super::scenario::Scenario;
use super::wasmi::Wasmi;
use super::wasmtime::Wasmtime;
use crate::engine::Compiler;
use crate::guest::{Guest, LoadError};
use crate::image::RegionImage;
use crate::input::Input;
use crate::state::MemoryState;

/// A module that exports this name, as anything, has a fresh instance for each block.
const FRESH_INSTANCES: &str = "steadfast_fresh_instances";

/// A module, and what is known of it before it runs.
pub struct Subject {
    bytes: Vec<u8>,
    guest: Guest,
}

impl Subject {
    /// Checks a module.
    ///
    /// # Errors
    ///
    /// When no host could run it.
    pub fn new(module: &[u8]) -> Result<Self, LoadError> {
        let engine = crate::engine::engine(false)
            .map_err(|error| LoadError::Engine(crate::guest::one_line(&error)))?;
        let guest = Guest::load(&engine, module)?;
        guest.check_start()?;
        Ok(Subject {
            bytes: module.to_vec(),
            guest,
        })
    }

    /// The module's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn plan(&self) -> Option<&Plan> {
        self.guest.plan()
    }

    pub(super) fn memory_needed(&self) -> u64 {
        self.guest.memory_needed()
    }

    /// Whether nobody can read its plan, although it has one.
    pub(super) fn is_stripped(&self) -> bool {
        self.guest.is_stripped()
    }

    pub(super) fn has_record(&self) -> bool {
        self.guest.has_record()
    }

    /// Why an instance of it cannot be used for a second block, if that is so.
    pub(super) fn forbids_kept_instances(&self) -> Option<&'static str> {
        if self.guest.uses_wasi() {
            return Some("a WASI command starts only once in an instance");
        }
        let exports = self.guest.module().get_export(FRESH_INSTANCES).is_some();
        exports.then_some("the module's export asks for a fresh instance for each block")
    }

    /// Whether it imports WASI preview 1.
    pub fn uses_wasi(&self) -> bool {
        self.guest.uses_wasi()
    }
}

/// Why an engine could not run a block at all; nothing that the module did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// Something that runs blocks, each in a fresh instance.
pub trait Engine {
    /// Runs one block in a scenario, on what earlier blocks wrote, with the cache that the last one left, if it is given one. What the
    /// module does wrong is part of the observation.
    ///
    /// # Errors
    ///
    /// When the engine could not run it.
    fn run(
        &mut self,
        scenario: &Scenario,
        input: &Input,
        state: &MemoryState,
        image: Option<&RegionImage>,
    ) -> Result<Observation, EngineError>;

    /// Runs all blocks in one instance, from an empty state on, as far as they succeed. What the heap did is left out.
    ///
    /// # Errors
    ///
    /// When the engine could not run them.
    fn run_kept(
        &mut self,
        _scenario: &Scenario,
        _inputs: &[Input],
    ) -> Result<Vec<Observation>, EngineError> {
        Err(EngineError(
            "this engine has a fresh instance for each block".into(),
        ))
    }

    /// Whether the whole of a module's memory is committed when it grows.
    fn commits_memory(&self) -> bool {
        false
    }

    /// Whether it can be told how much stack a module's calls have.
    fn sets_stack(&self) -> bool {
        false
    }
}

/// An engine ready to run, or why it cannot.
pub type Ready = Result<Box<dyn Engine>, String>;

/// Every engine that is known, by name.
pub fn engines(subject: &Subject) -> Vec<(&'static str, Ready)> {
    let mut engines: Vec<(&'static str, Ready)> = Vec::new();
    for compiler in Compiler::ALL {
        let ready = Wasmtime::new(compiler, subject);
        engines.push((
            compiler.name(),
            ready.map(|engine| Box::new(engine) as Box<dyn Engine>),
        ));
    }
    let wasmi = Wasmi::new(subject);
    engines.push((
        "wasmi (module rewritten)",
        wasmi.map(|engine| Box::new(engine) as Box<dyn Engine>),
    ));
    let without_wasi = |reason: &str| match subject.uses_wasi() {
        true => Err(reason.to_string()),
        false => Ok(()),
    };
    let node = without_wasi(
        "Node's own WASI is no sandbox: a module can climb out of the directory that it is given",
    );
    let node = node.and_then(|()| Node::new());
    engines.push((
        "Node (V8, module rewritten)",
        node.map(|node| Box::new(JavaScript::new(node, subject)) as Box<dyn Engine>),
    ));
    for (kind, name) in [
        (Kind::Chromium, "Chromium (V8, module rewritten)"),
        (Kind::Firefox, "Firefox (SpiderMonkey, module rewritten)"),
    ] {
        let browser = without_wasi("a browser has no WASI").and_then(|()| Browser::new(kind));
        engines.push((
            name,
            browser.map(|browser| Box::new(JavaScript::new(browser, subject)) as Box<dyn Engine>),
        ));
    }
    engines
}
