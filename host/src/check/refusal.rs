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

/// Why the host would refuse a module.
pub struct Refusal {
    pub finding: Finding,
    /// Whether the module is beyond a bound or not valid, so that nothing else of it is looked at:
    /// what reads it would have no bound.
    pub is_all: bool,
}

/// Asks the host what it would say, which compiles nothing.
pub fn look(module: &[u8]) -> Option<Refusal> {
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
        Err(error) => Some(Refusal {
            finding: Finding::new(&REFUSED, error.to_string()),
            is_all: matches!(error, LoadError::Bound(_) | LoadError::Invalid(_)),
        }),
    }
}
