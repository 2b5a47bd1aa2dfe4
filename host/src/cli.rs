//! The subcommands.

mod blocks;
pub mod check;
pub mod check_db;
pub mod digest;
pub mod exec;
mod index;
pub mod map;
mod memory_file;
mod progress;
pub mod run;
pub mod signals;
pub mod size;
pub mod stats;
#[cfg(feature = "verify")]
pub mod verify;
pub mod view;
mod warm;

use std::fs;
use std::io::{ErrorKind, Write as _, stderr, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use steadfast_host::{Input, InputError, Inputs, MemoryState, RedbState, State};

/// Reads a module's bytes.
fn read_module(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| path.display().to_string())
}

/// Reads blocks that are needed more than once, or all together.
fn read_inputs(paths: &[PathBuf]) -> Result<Vec<Input>, InputError> {
    Inputs::new(paths.to_vec())?.collect()
}

/// The state in a file, or one that is forgotten at the end.
fn open_state(path: Option<&Path>) -> anyhow::Result<Box<dyn State>> {
    Ok(match path {
        Some(path) => Box::new(RedbState::open(path)?),
        None => Box::new(MemoryState::default()),
    })
}

/// Checks that a database is there: none is made by reading.
fn check_exists(path: &Path) -> anyhow::Result<()> {
    match path.exists() {
        true => Ok(()),
        false => bail!("{}: there is no such database", path.display()),
    }
}

/// Prints text. A reader that has seen enough, such as `head`, is no failure.
fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Says something that is no failure. Nobody may be listening.
pub fn warn(text: &str) {
    let _ = writeln!(stderr(), "steadfast: {text}");
}

/// Reads `NAME=VALUE`.
fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}
