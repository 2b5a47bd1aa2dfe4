//! One line where a step begins, one with its time where it ends.

use std::time::Instant;

use anyhow::{Context, Result};

/// Runs one step and tells on standard error when it begins, and how long it took.
pub fn step<T>(name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("[{name}]");
    let start = Instant::now();
    let value = run().with_context(|| name.to_owned())?;
    eprintln!("[{name}: {:.1} s]", start.elapsed().as_secs_f64());
    Ok(value)
}
