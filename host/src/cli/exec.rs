//! `steadfast exec`: runs a plain WASI command.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use steadfast_host::ceiling::{MAX_CEILING, parse_bytes};
use steadfast_host::{Bound, Bounds, CommandWorld, exec as execute};

use super::limits::{Time, parse_seconds, parse_seed};

/// Runs a plain WASI preview 1 command, no indexer, with this terminal, the current directory and
/// its arguments
///
/// It gets no block and no state: `steadfast run` runs indexers. Its exit status is passed on; a
/// module that cannot be run, or traps, ends with status 1.
#[derive(clap::Args)]
pub struct Arguments {
    /// A directory that the command may read and write, besides the current one
    #[arg(long, value_name = "HOST[::GUEST]", value_parser = parse_directory)]
    dir: Vec<(PathBuf, String)>,
    /// An environment variable for the command; it is given no others
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::parse_env)]
    env: Vec<(String, String)>,
    /// The most memory that the command may have; by default all that it can address
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES")]
    ceiling: Option<u64>,
    /// Makes the command's cache lose entries by chance, as this number says
    #[arg(long, value_name = "SEED", value_parser = parse_seed)]
    forget: Option<NonZeroU32>,
    /// The most time that the command may take; no limit by default
    #[arg(long, value_parser = parse_seconds, value_name = "SECONDS|off")]
    timeout: Option<Time>,
    /// The command: a WebAssembly module for wasm32-wasip1 with a `main`
    module: PathBuf,
    /// Its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn parse_directory(text: &str) -> Result<(PathBuf, String), String> {
    let (host, guest) = text.split_once("::").unwrap_or((text, text));
    if host.is_empty() || guest.is_empty() {
        return Err(format!("`{text}` is not HOST or HOST::GUEST"));
    }
    Ok((PathBuf::from(host), guest.to_string()))
}

/// Runs the command; its exit status is ours.
pub fn exec(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let name = arguments.module.display().to_string();
    let module = super::read_bounded(&arguments.module, Bound::ModuleBytes, &Bounds::default())?;
    let mut directories = vec![(PathBuf::from("."), ".".to_string())];
    directories.extend(arguments.dir.iter().cloned());
    let world = CommandWorld {
        args: [std::slice::from_ref(&name), &arguments.args].concat(),
        env: arguments.env.clone(),
        directories,
    };
    let ceiling = arguments.ceiling.unwrap_or(MAX_CEILING);
    let timeout = arguments.timeout.and_then(|Time(limit)| limit);
    let status = execute(&module, &world, ceiling, arguments.forget, timeout);
    let status = status.with_context(|| name)?;
    // A status that the system cannot pass on is a failure all the same.
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
}
