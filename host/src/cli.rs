//! The subcommands.

pub mod check;
pub mod exec;
pub mod map;
mod memory_file;
pub mod run;
pub mod size;
pub mod stats;
#[cfg(feature = "verify")]
pub mod verify;
pub mod view;
mod warm;

use std::fs;
use std::io::{ErrorKind, Write as _, stdout};
use std::path::{Path, PathBuf};

use anyhow::Context;
use steadfast_host::{Input, InputError, MemoryState, RedbState, State};

/// Reads a module's bytes.
fn read_module(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// Reads blocks.
fn read_inputs(paths: &[PathBuf]) -> Result<Vec<Input>, InputError> {
    paths.iter().map(Input::read).collect()
}

/// The state in a file, or one that is forgotten at the end.
fn open_state(path: Option<&Path>) -> anyhow::Result<Box<dyn State>> {
    Ok(match path {
        Some(path) => Box::new(RedbState::open(path)?),
        None => Box::new(MemoryState::default()),
    })
}

/// Prints text. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> std::io::Result<()> {
    match stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Reads `NAME=VALUE`.
fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}
