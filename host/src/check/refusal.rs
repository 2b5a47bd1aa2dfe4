//! What keeps a module from being run at all.

use super::{Finding, Level, Rule};
use crate::bounds::Bounds;
use crate::guest::{LoadError, examine};

pub const RULES: &[&Rule] = &[&REFUSED];

const REFUSED: Rule = Rule {
    id: "refused",
    level: Level::Error,
    advice: "`run` and `verify` refuse the module: mend this first",
};

/// Asks the host what it would say, which compiles nothing.
pub fn look(module: &[u8]) -> Option<Finding> {
    match examine(module, &Bounds::default()) {
        // Rules of their own tell of these; and no fault of the module.
        Ok(())
        | Err(
            LoadError::TwoPlans
            | LoadError::Plan(_)
            | LoadError::ImportedMemory
            | LoadError::MaximumMemory { .. }
            | LoadError::Engine(_),
        ) => None,
        Err(error) => Some(Finding::new(&REFUSED, error.to_string())),
    }
}
