//! Where the guests are.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, Result};

/// Reads a module that `cargo xtask guests` built, by its path below `target/guests`.
///
/// # Errors
/// When it was not built.
pub fn read(path: &str) -> Result<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let path = target.join("guests").join(path);
    fs::read(&path).with_context(|| format!("{} is missing; run `cargo xtask guests`", path.display()))
}
