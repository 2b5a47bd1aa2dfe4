//! The subcommands.

mod block_files;
mod blocks;
mod cache_file;
pub mod check;
pub mod check_db;
pub mod digest;
pub mod exec;
mod index;
mod limits;
pub mod map;
mod memory_file;
mod outputs;
pub mod profile;
mod progress;
pub mod run;
pub mod signals;
pub mod size;
pub mod stats;
#[cfg(unix)]
mod stdin;
#[cfg(feature = "verify")]
pub mod verify;
pub mod view;
mod warm;

use std::io::{ErrorKind, Write as _, stderr, stdout};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use steadfast_host::file::read_within;
use steadfast_host::text::{plain, plain_json, plain_lines};
use steadfast_host::{Bound, Bounds, Guest, Input, MemoryState, RedbState, State};
use wasmparser::Parser;

use self::limits::Limits;

/// Reads a module's bytes.
fn read_module(path: &Path, limits: &Limits) -> anyhow::Result<Vec<u8>> {
    let bytes = read_bounded(path, Bound::ModuleBytes, &limits.bounds())?;
    ensure!(
        !Parser::is_component(&bytes),
        "{}: this is a component: give the core module that it was made of",
        path.display()
    );
    Ok(bytes)
}

/// Reads a file that may be anything.
fn read_bounded(path: &Path, bound: Bound, bounds: &Bounds) -> anyhow::Result<Vec<u8>> {
    read_within(path, bound, bounds).with_context(|| path.display().to_string())
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

/// The state in a database that is there, to be read.
fn open_read_only(path: &Path) -> anyhow::Result<RedbState> {
    check_exists(path)?;
    Ok(RedbState::open_read_only(path)?)
}

/// The state that is read: of a database, or an empty one.
fn open_to_read(path: Option<&Path>) -> anyhow::Result<Box<dyn State>> {
    Ok(match path {
        Some(path) => Box::new(open_read_only(path)?),
        None => Box::new(MemoryState::default()),
    })
}

/// Prints as JSON, on one line.
fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(value)? + "\n";
    Ok(print(&plain_json(&line))?)
}

/// What the message of a run that failed says of its module, where that is known by its instance
/// info alone.
fn stripped(guest: &Guest) -> &'static str {
    match guest.is_stripped() {
        true => {
            " (the module's custom sections were stripped, with its plan and perhaps its names)"
        }
        false => "",
    }
}

/// Why a module has neither counters nor a map.
const NO_INSTANCE_INFO: &str = "the module has its own allocator, and keeps no instance info for hosts: write steadfast::plan! in it";

/// Says that heights between two blocks were left out: metashrew's functions empty the cache there.
fn warn_of_gap(last: Option<u32>, input: &Input) {
    let height = input.height();
    let next = last.and_then(|last| last.checked_add(1));
    if let Some(next) = next.filter(|next| *next < height) {
        warn(&format!(
            "heights {next} to {} were left out: a cache for metashrew's functions is emptied at block {height}",
            height - 1
        ));
    }
}

/// What the message of a block that failed begins with.
fn block_failed(guest: &Guest, input: &Input) -> String {
    format!(
        "{}: block {} failed{}",
        input.name(),
        input.height(),
        stripped(guest)
    )
}

/// Prints lines, without anything that steers a terminal. A reader that has seen enough, such as
/// `head`, is no failure.
fn print(text: &str) -> std::io::Result<()> {
    let mut stdout = stdout().lock();
    match stdout
        .write_all(plain_lines(text).as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Says something in one line, whatever a module or a file has for names. Nobody may be listening.
pub fn warn(text: &str) {
    let _ = writeln!(stderr(), "steadfast: {}", plain(text));
}

/// Reads `NAME=VALUE`.
fn parse_env(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_string(), value.to_string())),
        _ => Err(format!("`{text}` is not NAME=VALUE")),
    }
}
