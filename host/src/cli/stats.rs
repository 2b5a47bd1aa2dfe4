//! `steadfast stats`: the counters of a module's heap and cache.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use steadfast::format::{RegionInfo, Stats};
use steadfast_host::prometheus::{OfCache, Prometheus};
use steadfast_host::table::{Row, cache_use_rows, observed_rows, write_rows};
use steadfast_host::{Digest, InstanceStats, Runner};

use super::memory_file::{self, Left};
use super::run::Memory;

/// Prints the counters of a module's heap and cache: of an instance after it has indexed blocks, or of a copy of its memory
///
/// Blocks are indexed in one instance that is kept, so that the counters add up; a WASI command has a fresh one for each.
#[derive(clap::Args)]
pub struct Arguments {
    /// The indexer: a WebAssembly module that is built on steadfast
    #[arg(required_unless_present = "memory_file", requires = "input")]
    module: Option<PathBuf>,
    /// A serialised Bitcoin block, or one with its height in front as a little-endian u32; any number of them, indexed in the order given
    #[arg(long, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Reads a file instead: a copy of an instance's linear memory, or of its region alone, or what `run --warm` has left. An image's
    /// lookups are not counted
    #[arg(long, value_name = "FILE", conflicts_with_all = ["module", "input"])]
    memory_file: Option<PathBuf>,
    /// Prints after each block, not at the end only
    #[arg(long, requires = "input")]
    every: bool,
    /// Prints JSON
    #[arg(long)]
    json: bool,
    /// Prints Prometheus' text format
    #[arg(long, conflicts_with = "json")]
    prometheus: bool,
    #[command(flatten)]
    memory: Memory,
}

/// Gathers the counters, and prints them.
pub fn stats(arguments: &Arguments) -> anyhow::Result<()> {
    if let Some(path) = &arguments.memory_file {
        return of_file(arguments, path);
    }
    let path = arguments.module.as_deref().context("a module is wanted")?;
    let name = || path.display().to_string();
    let inputs = super::read_inputs(&arguments.input)?;
    let module = super::read_module(path, &arguments.memory.limits)?;
    let runner = Runner::new(&module, arguments.memory.config(false)).with_context(name)?;
    super::run::check_budget(&runner).with_context(name)?;
    let mut left = inputs.len();
    super::run::in_sequence(&runner, &inputs, |finished, input| {
        left -= 1;
        if left > 0 && !arguments.every {
            return Ok(());
        }
        let Some(seen) = &finished.report().observed else {
            bail!(
                "{}: the module keeps no record, so it was not built on steadfast",
                name()
            );
        };
        if arguments.every && !arguments.json && !arguments.prometheus {
            super::print(&format!("block {}\n", input.height()))?;
        }
        print(arguments, seen)
    })
}

/// Of a memory everything is known; of a region or an image, the cache alone.
fn of_file(arguments: &Arguments, path: &Path) -> anyhow::Result<()> {
    let (cache, image) = match memory_file::read(path, &arguments.memory.limits.bounds())? {
        Left::Memory(bytes, record) => {
            return print(arguments, &InstanceStats::read(&bytes, &record));
        }
        Left::Region(bytes) => (RegionInfo::read(&bytes)?.stats, None),
        Left::Image(image, state_digest) => {
            let belongs = Belongs {
                module: image.module(),
                state_digest,
            };
            (image.info().stats, Some(belongs))
        }
    };
    let belongs = image.as_ref().map_or_else(Vec::new, |image| {
        vec![
            ("module".into(), image.module.to_string()),
            ("state digest".into(), image.state_digest.to_string()),
        ]
    });
    let rows = [belongs, cache_use_rows(&cache)].concat();
    print_as(arguments, &Alone { image, cache }, &OfCache(&cache), &rows)
}

/// A cache without the instance that it was in.
#[derive(Serialize)]
struct Alone {
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<Belongs>,
    #[serde(serialize_with = "steadfast_host::figures")]
    cache: Stats,
}

/// What an image belongs to.
#[derive(Serialize)]
struct Belongs {
    module: Digest,
    state_digest: Digest,
}

fn print(arguments: &Arguments, seen: &InstanceStats) -> anyhow::Result<()> {
    print_as(arguments, seen, &Prometheus(seen), &observed_rows(seen))
}

/// In the form that the arguments ask for.
fn print_as(
    arguments: &Arguments,
    json: &impl Serialize,
    prometheus: &impl Display,
    rows: &[Row],
) -> anyhow::Result<()> {
    if arguments.json {
        return super::print_json(json);
    }
    let text = if arguments.prometheus {
        prometheus.to_string()
    } else {
        write_rows(rows)
    };
    Ok(super::print(&text)?)
}
