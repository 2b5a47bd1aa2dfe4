//! `steadfast stats`: the counters of a module's heap and cache.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use steadfast::format::{RegionInfo, Stats};
use steadfast_host::prometheus::{OfCache, Prometheus};
use steadfast_host::table::{Row, cache_use_rows, instance_rows, write_rows};
use steadfast_host::{Digest, Finished, Input, InstanceStats, MemoryState, Runner};

use super::block_files::BlockFiles;
use super::memory_file::{self, Left};
use super::run::Memory;

/// Prints the counters of a module's heap and cache: of an instance after it has indexed blocks, or
/// of a copy of its memory
///
/// Blocks are indexed in one instance that is kept, so that the counters add up; a WASI command has
/// a fresh one for each.
#[derive(clap::Args)]
#[command(
    override_usage = "steadfast stats <MODULE> --input <FILE|FOLDER>... [OPTIONS]\n       steadfast stats --memory-file <FILE> [OPTIONS]"
)]
pub struct Arguments {
    /// The indexer: a WebAssembly module that is built on steadfast
    #[arg(required_unless_present = "memory_file", requires = "input")]
    module: Option<PathBuf>,
    #[command(flatten)]
    blocks: BlockFiles,
    /// Reads a file instead: a copy of an instance's linear memory, or of its region alone, or
    /// what `run --warm` has left. An image's lookups are not counted
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
    let inputs = arguments.blocks.read(arguments.memory.limits.bounds())?;
    let module = super::read_module(path, &arguments.memory.limits)?;
    let runner = Runner::new(&module, arguments.memory.config(false)).with_context(name)?;
    super::run::check_budget(&runner).with_context(name)?;
    in_sequence(arguments, &runner, &inputs).with_context(name)
}

/// Indexes blocks in one instance that is kept, with a state that is forgotten, and prints what it
/// tells; a WASI command, which starts only once, has a fresh instance for each. A block that stops
/// has counters too.
fn in_sequence(arguments: &Arguments, runner: &Runner, inputs: &[Input]) -> anyhow::Result<()> {
    let starts_once = runner.guest().uses_wasi();
    if starts_once && inputs.len() > 1 {
        super::warn(
            "a WASI module is started anew for each block: every block begins with an empty cache, and the counters are those of one block; `run` hands the cache on",
        );
    }
    let mut state = MemoryState::default();
    let mut kept: Option<Finished> = None;
    let mut left = inputs.len();
    for input in inputs {
        left -= 1;
        let last = kept.as_ref().map(|last| last.report().height);
        super::warn_of_gap(last, input);
        let finished = match kept.take() {
            Some(last) if !starts_once => last.next(input, &mut state),
            Some(last) => {
                last.commit(&mut state)?;
                runner.start(input, &state)
            }
            None => runner.start(input, &state),
        };
        let failed = || super::block_failed(runner.guest(), input);
        let finished = finished.with_context(failed)?;
        let has_failed = finished.outcome().is_err();
        match &finished.report().observed {
            // The failure is told below.
            None if has_failed => {}
            None => bail!(super::NO_INSTANCE_INFO),
            Some(seen) if has_failed || left == 0 || arguments.every => {
                if arguments.every && !arguments.json && !arguments.prometheus {
                    super::print(&format!("block {}\n", input.height()))?;
                }
                print(arguments, seen)?;
            }
            Some(_) => {}
        }
        kept = Some(finished.succeeded().with_context(failed)?);
    }
    Ok(())
}

/// Of a memory everything is known; of a region or an image, the cache alone.
fn of_file(arguments: &Arguments, path: &Path) -> anyhow::Result<()> {
    let (cache, image) = match memory_file::read(path, &arguments.memory.limits.bounds())? {
        Left::Memory(bytes, info) => {
            return print(arguments, &InstanceStats::read(&bytes, &info));
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
    print_as(arguments, seen, &Prometheus(seen), &instance_rows(seen))
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
