//! `steadfast stats`: the counters of a module's heap and cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use steadfast_host::prometheus::Prometheus;
use steadfast_host::table::{observed_rows, write_rows};
use steadfast_host::{CacheUse, Observed, Runner, find_record};

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
    /// Reads a copy of an instance's linear memory instead, or of its region alone
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
    let module = super::read_module(path)?;
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
            println!("block {}", input.height());
        }
        print(arguments, seen)
    })
}

/// A file begins as a region does, or it is a whole memory with the record somewhere in it.
fn of_file(arguments: &Arguments, path: &Path) -> anyhow::Result<()> {
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    if let Some(record) = find_record(&bytes) {
        return print(arguments, &Observed::read(&bytes, &record));
    }
    let info = steadfast::region::inspect(&bytes).with_context(|| {
        format!(
            "{}: neither a memory with steadfast's record in it nor a region",
            path.display()
        )
    })?;
    print(arguments, &Observed::of_region(CacheUse::from(info)))
}

fn print(arguments: &Arguments, seen: &Observed) -> anyhow::Result<()> {
    let text = if arguments.json {
        format!("{}\n", serde_json::to_string(seen)?)
    } else if arguments.prometheus {
        Prometheus(seen).to_string()
    } else {
        write_rows(&observed_rows(seen))
    };
    Ok(super::print(&text)?)
}
