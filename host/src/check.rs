//! What in a module could make two nodes differ or stop, found by reading it. Nothing is compiled
//! and nothing runs.
//!
//! [`verify`](crate::verify) finds a hazard only if a run meets it. This finds those that no input
//! happened to meet, and some that no input can: each finding is a reason to look, not a proof.
//!
//! ```text
//! facts <- depth, determinism, memory, size
//! refusal
//! ```

mod depth;
mod determinism;
mod facts;
mod memory;
mod refusal;
mod size;

use std::fmt;

use serde::Serialize;

pub use self::facts::CheckError;
use self::facts::Facts;

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Good to know.
    Note,
    /// Two nodes can differ or stop where the input, the host or the engine is unlucky.
    Warning,
    /// The module cannot run as it is meant to.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        })
    }
}

/// What is looked for.
#[derive(Debug, Serialize)]
pub struct Rule {
    /// Its name, by which findings are allowed.
    pub id: &'static str,
    /// How much its findings weigh.
    pub level: Level,
    /// What to do about one.
    pub advice: &'static str,
}

/// One hazard, with all the places where it stands.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was looked for.
    #[serde(flatten)]
    pub rule: &'static Rule,
    /// What was found.
    pub what: String,
    /// Functions or imports, demangled.
    pub places: Vec<String>,
}

impl Finding {
    fn new(rule: &'static Rule, what: impl Into<String>) -> Finding {
        Finding {
            rule,
            what: what.into(),
            places: Vec::new(),
        }
    }

    fn at(self, places: impl IntoIterator<Item = String>) -> Finding {
        Finding {
            places: places.into_iter().collect(),
            ..self
        }
    }
}

/// Every rule, in the order in which findings are told.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [
        refusal::RULES,
        memory::RULES,
        determinism::RULES,
        depth::RULES,
        size::RULES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Looks at a module. Takes time in proportion to its bytes. One that is not valid, or beyond a
/// bound, is told of that alone.
///
/// ```
/// use steadfast_host::check::{Level, check};
///
/// let found = check(b"\0asm\x01\0\0\0")?;
/// // It has no memory to begin with.
/// assert_eq!(found[0].rule.level, Level::Error);
/// assert!(found[0].what.contains("no memory"));
/// # Ok::<(), steadfast_host::check::CheckError>(())
/// ```
///
/// # Errors
///
/// When the bytes are no module.
pub fn check(module: &[u8]) -> Result<Vec<Finding>, CheckError> {
    facts::check_sections(module)?;
    let refusal = refusal::look(module);
    let is_all = refusal.as_ref().is_some_and(|refusal| refusal.is_all);
    let mut found = Vec::from_iter(refusal.map(|refusal| refusal.finding));
    if is_all {
        return Ok(found);
    }
    let facts = Facts::read(module)?;
    found.extend(memory::look(&facts));
    found.extend(determinism::look(&facts));
    found.extend(depth::look(&facts));
    found.extend(size::look(&facts));
    Ok(found)
}
