//! Where the guests are.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, Result, anyhow};
use steadfast_host::ceiling::MAX_CEILING;
use steadfast_host::{Output, RunConfig, Runner};
use wasmparser::{Parser, Payload};

/// Reads a module that `cargo xtask guests` built, by its path below `target/guests`.
///
/// # Errors
/// When it was not built.
pub fn read(path: &str) -> Result<Vec<u8>> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let path = target.join("guests").join(path);
    fs::read(&path)
        .with_context(|| format!("{} is missing; run `cargo xtask guests`", path.display()))
}

/// A module, by its path as [`read`] takes it, ready to run with all the memory there is and
/// nothing printed.
///
/// # Errors
/// When it was not built, or cannot be run.
pub fn runner(path: &str) -> Result<Runner> {
    let config = RunConfig {
        ceiling: MAX_CEILING,
        output: Output::Discard,
        ..RunConfig::default()
    };
    Ok(Runner::new(&read(path)?, config)?)
}

/// Bytes of a module's code and data sections: what it takes without names and other custom
/// sections.
///
/// # Errors
/// When the bytes are not a module.
pub fn code_and_data(module: &[u8]) -> Result<u64> {
    let mut bytes = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload? {
            Payload::CodeSectionStart { size, .. } => bytes += u64::from(size),
            Payload::DataSection(section) => bytes += section.range().len() as u64,
            _ => {}
        }
    }
    Ok(bytes)
}

/// The engine's error, for people.
pub fn engine_error(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:?}")
}
