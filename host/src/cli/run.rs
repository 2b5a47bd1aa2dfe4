//! `steadfast run`: indexes blocks and tells what became of memory.

use std::io::{IsTerminal, stderr};
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use steadfast_host::ceiling::{machine_ceiling, parse_bytes};
use steadfast_host::{
    BlockReport, Finished, Input, MemoryState, Output, Report, RunConfig, RunError, Runner, State,
    Table, state_digest,
};

use super::warm::{Warm, check_path};

/// Indexes blocks, each in a fresh instance of the module, and tells what became of its memory
#[derive(clap::Args)]
pub struct Arguments {
    /// The indexer: a WebAssembly module that exports `_start`
    module: PathBuf,
    /// A serialised Bitcoin block, or one with its height in front as a little-endian u32; any number of them, indexed in the order given
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Keeps the state in this database; without it, it is forgotten at the end
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Keeps the module's cache in this file, for the next run with the same database
    #[arg(long, value_name = "FILE")]
    warm: Option<PathBuf>,
    /// Begins every block with an empty cache; by default a block begins with the cache that the one before it left
    #[arg(long, conflicts_with = "warm")]
    cold: bool,
    /// Compresses that file
    #[arg(long, requires = "warm")]
    compress: bool,
    #[command(flatten)]
    memory: Memory,
    /// Counts the instructions that the module runs
    #[arg(long)]
    fuel: bool,
    /// Prints the figures as JSON
    #[arg(long)]
    json: bool,
}

/// What is granted to the module.
#[derive(clap::Args)]
pub struct Memory {
    /// The most memory that the module may have, such as 512MiB; by default what the machine really has
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES")]
    ceiling: Option<u64>,
    /// Makes the module's cache use at most this much of what it is granted, or nothing
    #[arg(long, value_parser = parse_cache, value_name = "BYTES|off")]
    cache: Option<u32>,
    /// Makes the module's cache lose entries by chance. SEED is any number from 1 on, and picks which ones: the same number loses the
    /// same entries again. The cache hits less often; the state digest must stay as it is without this, or the module relies on its cache
    #[arg(long, value_name = "SEED")]
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
}

impl Memory {
    pub fn config(&self, fuel: bool) -> RunConfig {
        RunConfig {
            ceiling: self.ceiling.unwrap_or_else(machine_ceiling),
            cache: self.cache,
            forget: self.forget,
            pregrow: self.pregrow,
            refuse_grow: self.refuse_grow,
            env: self.env.clone(),
            fuel,
            ..RunConfig::default()
        }
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

/// Checks everything that can be checked before the first block, then indexes them all.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let inputs = super::read_inputs(&arguments.input)?;
    let module = super::read_module(&arguments.module)?;
    let progress = progress(inputs.len());
    let mut config = arguments.memory.config(arguments.fuel);
    if !progress.is_hidden() {
        // Lines that the module writes while the bar stands there would run into it.
        config.output = Output::Capture;
    }
    let runner =
        Runner::new(&module, config).with_context(|| arguments.module.display().to_string())?;
    check_budget(&runner).with_context(|| arguments.module.display().to_string())?;
    if let Some(path) = &arguments.warm {
        let files = arguments.input.iter().chain(&arguments.db);
        let files = files.chain([&arguments.module]).map(PathBuf::as_path);
        check_path(path, files)?;
    }
    let mut state = super::open_state(arguments.db.as_deref())?;
    let mut cache = match &arguments.warm {
        Some(path) => Some(Warm::open(
            path,
            arguments.compress,
            runner.guest(),
            &*state,
        )?),
        None => (!arguments.cold).then(Warm::between_blocks),
    };
    let indexed = index(&runner, &inputs, &mut *state, &progress, cache.as_mut());
    if let Some(cache) = &cache {
        cache.keep(&*state)?;
    }
    let report = indexed?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", Table(&report));
    }
    Ok(())
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

fn index(
    runner: &Runner,
    inputs: &[Input],
    state: &mut dyn State,
    progress: &ProgressBar,
    mut cache: Option<&mut Warm>,
) -> anyhow::Result<Report> {
    let mut report = Report::new(runner.guest(), runner.config().ceiling);
    for (done, input) in inputs.iter().enumerate() {
        let block =
            run_block(runner, input, state, progress, cache.as_deref_mut()).with_context(|| {
                format!(
                    "{}: block {} failed, after {done} of {} blocks were written",
                    input.name(),
                    input.height(),
                    inputs.len()
                )
            })?;
        progress.set_message(format!("height {}", input.height()));
        progress.inc(1);
        report.add(block);
    }
    progress.finish_and_clear();
    report.state_digest = Some(state_digest(state)?);
    Ok(report)
}

/// Indexes one block; what the module wrote meanwhile goes above the bar, if there is one.
fn run_block(
    runner: &Runner,
    input: &Input,
    state: &mut dyn State,
    progress: &ProgressBar,
    mut cache: Option<&mut Warm>,
) -> Result<BlockReport, RunError> {
    let finished = match &mut cache {
        Some(cache) => cache.start(runner, input, state)?,
        None => runner.start(input, state)?,
    };
    for line in finished.report().output.lines() {
        progress.println(line);
    }
    match cache {
        Some(cache) => cache.commit(finished, input, state),
        None => finished.commit(state),
    }
}

/// Indexes blocks in one instance that is kept, with a state that is forgotten, and looks at it after each; a WASI command, which
/// starts only once, has a fresh instance for each.
pub fn in_sequence(
    runner: &Runner,
    inputs: &[Input],
    mut look: impl FnMut(&Finished, &Input) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut state = MemoryState::default();
    let mut kept: Option<Finished> = None;
    for input in inputs {
        let finished = match kept.take() {
            Some(last) if !runner.guest().uses_wasi() => last.next(input, &mut state),
            Some(last) => {
                last.commit(&mut state)?;
                runner.start(input, &state)
            }
            None => runner.start(input, &state),
        };
        let finished = finished.and_then(Finished::succeeded);
        let finished = finished
            .with_context(|| format!("{}: block {} failed", input.name(), input.height()))?;
        look(&finished, input)?;
        kept = Some(finished);
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
