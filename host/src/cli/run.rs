//! `steadfast run`: indexes blocks and tells what became of memory.

use std::io::{IsTerminal, stderr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use indicatif::{ProgressBar, ProgressStyle};
use steadfast_host::ceiling::{machine_ceiling, parse_bytes};
use steadfast_host::{Inputs, Output, Report, RunConfig, RunError, Runner, Table};

use super::blocks::Blocks;
use super::index::Indexing;
use super::outputs::{check_outputs, core_dumps, write_core_dump};
use super::progress::{Form, Progress};
use super::signals;
use super::warm::Warm;

/// Indexes blocks, each in a fresh instance of the module, and tells what became of its memory
#[derive(clap::Args)]
#[command(override_usage = "steadfast run <MODULE> --input <FILE|FOLDER|->... [OPTIONS]")]
pub struct Arguments {
    /// The indexer: a WebAssembly module that exports `_start`
    module: PathBuf,
    #[command(flatten)]
    blocks: Blocks,
    /// Keeps the state in this database; without it, it is forgotten at the end
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Keeps the module's cache in this file, for the next run with the same database
    #[arg(long, value_name = "FILE")]
    warm: Option<PathBuf>,
    /// Begins every block with an empty cache; by default a block begins with the cache that the
    /// one before it left
    #[arg(long, conflicts_with = "warm")]
    cold: bool,
    /// Compresses that file
    #[arg(long, requires = "warm")]
    compress: bool,
    /// Writes that file after so many blocks as well; by default every five minutes
    #[arg(long, value_name = "BLOCKS", requires = "warm")]
    warm_every: Option<NonZeroU32>,
    #[command(flatten)]
    memory: Memory,
    /// Counts the instructions that the module runs
    #[arg(long)]
    fuel: bool,
    /// Writes a core dump there if a block fails: the module's memory, globals and stack, for
    /// debuggers of WebAssembly
    #[arg(long, value_name = "FILE")]
    coredump: Option<PathBuf>,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
    /// Prints what each block took as it goes, ahead of the figures
    #[arg(long, value_name = "FORM")]
    progress: Option<Form>,
}

/// What is granted to the module.
#[derive(clap::Args)]
pub struct Memory {
    /// The most memory that the module may have, such as 512MiB; by default what the machine
    /// really has
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES")]
    ceiling: Option<u64>,
    /// Makes the module's cache use at most this much of what it is granted, or nothing
    #[arg(long, value_parser = parse_cache, value_name = "BYTES|off")]
    cache: Option<u32>,
    /// Makes the module's cache lose entries by chance. SEED is any number from 1 on, and picks
    /// which ones: the same number loses the same entries again. The cache hits less often;
    /// the state digest must stay as it is without this, or the module relies on its cache
    #[arg(long, value_name = "SEED", value_parser = super::limits::parse_seed)]
    forget: Option<NonZeroU32>,
    /// Grows the module's memory to this many pages of 64 KiB, in all, before it starts
    #[arg(long, value_name = "PAGES", value_parser = clap::value_parser!(u64).range(..=65536))]
    pregrow: Option<u64>,
    /// Refuses the module's N-th memory.grow, counted from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    refuse_grow: Option<u64>,
    /// An environment variable for a WASI module; it is given no others
    #[arg(long, value_parser = super::parse_env, value_name = "NAME=VALUE")]
    env: Vec<(String, String)>,
    #[command(flatten)]
    pub limits: super::limits::Limits,
}

impl Memory {
    pub fn config(&self, fuel: bool) -> RunConfig {
        self.limits.apply(RunConfig {
            ceiling: self.ceiling.unwrap_or_else(machine_ceiling),
            cache: self.cache,
            forget: self.forget,
            pregrow: self.pregrow,
            refuse_grow: self.refuse_grow,
            env: self.env.clone(),
            fuel,
            ..RunConfig::default()
        })
    }
}

/// Reads a number of bytes that a cache can have; `off` is none.
fn parse_cache(text: &str) -> Result<u32, String> {
    match text {
        "off" => Ok(0),
        _ => u32::try_from(parse_bytes(text)?)
            .map_err(|_| format!("`{text}` is more than a 32-bit module can address")),
    }
}

/// Checks what can be checked before the first block, then indexes them all.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let module = super::read_module(&arguments.module, &arguments.memory.limits)?;
    let progress = Progress::new(arguments.progress);
    let mut config = arguments.memory.config(arguments.fuel);
    if progress.is_drawn() {
        // Lines that the module writes while the bar stands there would run into it.
        config.output = Output::Capture;
    }
    let dumps = core_dumps(arguments.coredump.as_ref(), &arguments.module);
    config.core_dumps = dumps.clone();
    let runner =
        Runner::new(&module, config).with_context(|| arguments.module.display().to_string())?;
    check_budget(&runner).with_context(|| arguments.module.display().to_string())?;
    check_outputs(
        [
            ("--warm", arguments.warm.as_ref()),
            ("--coredump", arguments.coredump.as_ref()),
        ],
        (arguments.blocks.input.iter())
            .chain(&arguments.db)
            .chain([&arguments.module]),
    )?;
    // Before the database is made, so that a wrong path leaves none behind.
    drop(Inputs::new(arguments.blocks.input.clone())?);
    let mut state = super::open_state(arguments.db.as_deref())?;
    let inputs = arguments.blocks.open(state.snapshot()?.tip()?)?;
    let inputs = inputs.within(arguments.memory.limits.bounds());
    let mut cache = match &arguments.warm {
        Some(path) => Some(Warm::open(
            path,
            arguments.compress,
            arguments.warm_every,
            &runner,
            &*state,
            arguments.db.is_some(),
        )?),
        None => (!arguments.cold).then(Warm::between_blocks),
    };
    if cache.as_ref().is_some_and(Warm::is_kept) && arguments.db.is_none() {
        super::warn(
            "the next run cannot begin with the cache of this one, since its state begins empty without a database: give --db PATH",
        );
    }
    let inputs = inputs.stdin(signals::finish_block_first()?);
    let mut indexing = Indexing {
        runner: &runner,
        blocks: &arguments.blocks,
        progress: &progress,
        cache: cache.as_mut(),
    };
    let indexed = indexing.run(inputs, &mut *state);
    write_core_dump(arguments.coredump.as_ref(), dumps);
    if let Some(cache) = &mut cache {
        cache.keep(&*state)?;
    }
    let report = indexed.map_err(|failure| with_profile(arguments, failure))?;
    if arguments.json {
        super::print_json(&report)?;
    } else {
        super::print(&Table(&report).to_string())?;
        say_why_cold(arguments, &report);
    }
    Ok(())
}

/// Says what would let blocks begin with a cache, where none did for want of it.
fn say_why_cold(arguments: &Arguments, report: &Report) {
    let was_possible = report.other_format().is_none() && !report.had_no_room();
    if !was_possible || report.cold_blocks < report.blocks.max(1) {
        return;
    }
    if arguments.cold {
        super::warn(
            "every block began with an empty cache, as --cold says: leave it out, and each begins with the cache of the one before it",
        );
    } else if arguments.warm.is_none() && report.blocks == 1 {
        super::warn(
            "the block began with an empty cache: give --db PATH and --warm FILE, and the next run begins with this one's",
        );
    }
}

/// The failure; of a heap that is exhausted, with the command that shows who holds it.
fn with_profile(arguments: &Arguments, failure: anyhow::Error) -> anyhow::Error {
    let Some(RunError::HeapExhausted { .. }) = failure.downcast_ref() else {
        return failure;
    };
    let db = arguments.db.as_ref();
    let db = db.map_or_else(String::new, |path| format!(" --db {}", path.display()));
    anyhow!(
        "{failure:#}; to see who holds it: steadfast profile {} {}{db}",
        arguments.module.display(),
        arguments.blocks.one()
    )
}

/// A module that cannot get its heap's budget would start only to stop.
pub fn check_budget(runner: &Runner) -> anyhow::Result<()> {
    let (need, ceiling) = (runner.guest().memory_needed(), runner.config().ceiling);
    if need > ceiling {
        bail!(
            "the ceiling of {ceiling} bytes is below the module's heap budget, which ends at {need}: raise the ceiling to at least {need} ({} MiB)",
            need.div_ceil(1 << 20)
        );
    }
    Ok(())
}

/// A bar for many blocks on a terminal; otherwise nothing.
pub fn progress(blocks: usize) -> ProgressBar {
    if blocks < 2 || !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}");
    let style = style.expect("the template is well-formed");
    ProgressBar::new(blocks as u64).with_style(style)
}
