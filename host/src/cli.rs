//! The subcommands.

pub mod exec;
pub mod run;
pub mod verify;
pub mod view;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use steadfast_host::{
    Guest, ImageError, Input, InputError, MemoryState, RedbState, RegionImage, State, state_digest,
};

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

/// Reads `NAME=VALUE`.
fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}

/// Reads an image that belongs to this module, at this state.
fn read_image(path: &Path, guest: &Guest, state: &dyn State) -> anyhow::Result<RegionImage> {
    let (image, found) = RegionImage::read(path)?;
    if image.module() != guest.digest() {
        let (expected, found) = (guest.digest(), image.module());
        bail!(ImageError::Module { expected, found });
    }
    let expected = state_digest(state)?;
    if found != expected {
        bail!(ImageError::State { expected, found });
    }
    Ok(image)
}
