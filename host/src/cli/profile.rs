//! `steadfast profile`: who holds a module's heap, and where its time or its fuel goes.

use std::path::PathBuf;

use anyhow::{Context, Error, ensure};
use steadfast_host::ceiling::parse_bytes;
use steadfast_host::profile::{
    HeapOptions, Role, Stacks, collapsed, dhat, firefox, flame_graph, fuel, heap, pprof, time,
};
use steadfast_host::{Output, RunConfig, RunError};

use super::block_files::BlockFiles;
use super::outputs::{check_outputs, core_dumps, write_core_dump, write_file};
use super::run::Memory;

/// Shows who holds a module's heap, at its peak and at the end, by the functions that asked for it
///
/// Any module: its functions need names (the section `name`), and its allocator functions of its
/// own (no link-time optimisation over all crates). With debug information, files have source
/// lines. The blocks are indexed in one instance. Where one fails, the profile is of what ran up to
/// there, and the command ends with status 1.
#[derive(clap::Args)]
#[command(mut_arg("input", |input| input.required(true)))]
#[command(override_usage = "steadfast profile <MODULE> --input <FILE|FOLDER>... [OPTIONS]")]
pub struct Arguments {
    /// The indexer: a WebAssembly module that exports `_start`
    module: PathBuf,
    #[command(flatten)]
    blocks: BlockFiles,
    /// Reads the state in this database, and writes nothing there: for one block. Without it the
    /// state is empty at the beginning
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Shows where the time goes instead, by a sample each millisecond
    #[arg(long)]
    time: bool,
    /// Shows where the fuel goes instead: the instructions that each function runs, the same in
    /// every run
    #[arg(long, conflicts_with = "time")]
    fuel: bool,
    /// Looks at one block in so many bytes, such as 64KiB, and takes it for all of them: quicker,
    /// and less exact
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES", default_value_t = 0, conflicts_with_all = ["time", "fuel"])]
    every: u64,
    /// One more function that allocates, and the function of C's or Rust's that it works as, such
    /// as my_alloc=malloc
    #[arg(long, value_parser = parse_allocator, value_name = "NAME=FUNCTION", conflicts_with_all = ["time", "fuel"])]
    allocator: Vec<(String, Role)>,
    /// What files for one figure show
    #[arg(
        long,
        value_name = "FIGURE",
        default_value = "peak",
        conflicts_with_all = ["time", "fuel"]
    )]
    show: Show,
    /// Writes collapsed stacks there, for inferno, speedscope and profiler.firefox.com
    #[arg(long, value_name = "FILE")]
    collapsed: Option<PathBuf>,
    /// Draws a flame graph there
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Writes a profile for pprof there
    #[arg(long, value_name = "FILE")]
    pprof: Option<PathBuf>,
    /// Writes a profile for profiler.firefox.com there
    #[arg(long, value_name = "FILE")]
    firefox: Option<PathBuf>,
    /// Writes a core dump there if a block fails: the module's memory, globals and stack, for
    /// debuggers of WebAssembly
    #[arg(long, value_name = "FILE", conflicts_with = "fuel")]
    coredump: Option<PathBuf>,
    /// Writes a profile for DHAT's viewer there, which profiler.firefox.com reads too
    #[arg(long, value_name = "FILE", conflicts_with_all = ["time", "fuel"])]
    dhat: Option<PathBuf>,
    #[command(flatten)]
    memory: Memory,
}

/// A figure of the heap.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Show {
    /// Bytes in use when they were the most
    Peak,
    /// Bytes in use at the end
    End,
    /// All bytes that were ever handed out
    Total,
    /// Blocks that were given back at once
    Churn,
}

impl Show {
    fn column(self) -> &'static str {
        match self {
            Show::Peak => "peak_bytes",
            Show::End => "end_bytes",
            Show::Total => "total_bytes",
            Show::Churn => "short_lived_blocks",
        }
    }
}

fn parse_allocator(text: &str) -> Result<(String, Role), String> {
    let parsed = text
        .rsplit_once('=')
        .and_then(|(name, works_as)| Some((name.to_string(), Role::of(works_as)?)));
    parsed.ok_or_else(|| format!("`{text}` is not NAME=FUNCTION with a function such as malloc"))
}

/// Runs the module, and shows what was found.
pub fn profile(arguments: &Arguments) -> anyhow::Result<()> {
    check_outputs(
        [
            ("--collapsed", arguments.collapsed.as_ref()),
            ("--svg", arguments.svg.as_ref()),
            ("--pprof", arguments.pprof.as_ref()),
            ("--firefox", arguments.firefox.as_ref()),
            ("--dhat", arguments.dhat.as_ref()),
            ("--coredump", arguments.coredump.as_ref()),
        ],
        (arguments.blocks.input.iter())
            .chain(&arguments.db)
            .chain([&arguments.module]),
    )?;
    let name = arguments.module.display().to_string();
    let inputs = arguments.blocks.read(arguments.memory.limits.bounds())?;
    let module = super::read_module(&arguments.module, &arguments.memory.limits)?;
    let dumps = core_dumps(arguments.coredump.as_ref(), &arguments.module);
    let config = RunConfig {
        output: Output::Capture,
        core_dumps: dumps.clone(),
        ..arguments.memory.config(false)
    };
    let mut state = super::open_to_read(arguments.db.as_deref())?;
    ensure!(
        arguments.db.is_none() || inputs.len() == 1,
        "nothing is written to the database: give one block with --db"
    );
    let ended = |blocks: usize, failure: Option<RunError>| match failure {
        Some(reason) => {
            let block = &inputs[blocks - 1];
            let failed = format!("{name}: {}: block {} failed", block.name(), block.height());
            Err(Error::new(reason).context(failed))
        }
        None => Ok(()),
    };
    if arguments.time {
        let profile = time(&module, config, &inputs, &mut *state);
        write_core_dump(arguments.coredump.as_ref(), dumps);
        let profile = profile.with_context(|| name.clone())?;
        super::print(&profile.table())?;
        write(arguments, &name, &profile.stacks, "samples")?;
        return ended(profile.blocks, profile.failure);
    }
    if arguments.fuel {
        let profile = fuel(&module, config, &inputs, &mut *state).with_context(|| name.clone())?;
        super::print(&profile.table())?;
        write(arguments, &name, &profile.stacks, "fuel")?;
        return ended(profile.blocks, profile.failure);
    }
    let options = HeapOptions {
        every: arguments.every,
        allocator: arguments.allocator.clone(),
    };
    let profile = heap(&module, config, &inputs, &mut *state, &options);
    write_core_dump(arguments.coredump.as_ref(), dumps);
    let profile = profile.with_context(|| name.clone())?;
    super::print(&profile.table())?;
    if let Some(path) = &arguments.dhat {
        write_file(path, dhat(&name, &profile))?;
    }
    let column = arguments.show.column();
    write(arguments, &name, &profile.stacks, column)?;
    ended(profile.blocks, profile.failure)
}

/// Writes the files that are asked for, about this column.
fn write(arguments: &Arguments, title: &str, stacks: &Stacks, column: &str) -> anyhow::Result<()> {
    let column = stacks.column(column).context("there is no such figure")?;
    if let Some(path) = &arguments.collapsed {
        write_file(path, collapsed(stacks, column))?;
    }
    if let Some(path) = &arguments.svg {
        write_file(path, flame_graph(title, stacks, column))?;
    }
    if let Some(path) = &arguments.pprof {
        write_file(path, pprof(stacks, column))?;
    }
    if let Some(path) = &arguments.firefox {
        write_file(path, firefox(title, stacks, column))?;
    }
    Ok(())
}
