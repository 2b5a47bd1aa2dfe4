//! The module that is verified, and what is known of it before it runs.

use steadfast::Plan;

use crate::guest::{Guest, LoadError};

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

    pub(super) fn has_instance_info(&self) -> bool {
        self.guest.has_instance_info()
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
