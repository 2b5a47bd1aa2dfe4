//! Measures steadfast beside its peers, in one run, and prints what it measured.

mod beside;
mod cache;
mod chain;
mod growing;
mod guests;
mod heap;
mod images;
mod indexer;
mod inputs;
mod load;
mod metashrew;
mod parallel;
mod pictures;
mod process;
mod replay;
mod schedule;
mod size;
mod startup;
mod warm;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use figures::Figures;
use steadfast_testkit::figures;

#[derive(Parser)]
#[command(about = "Measures steadfast beside its peers")]
struct Arguments {
    /// Writes the figures to this file, one JSON object a line.
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Views beside the indexer, from one cache.
    Beside(beside::Options),
    /// The cache against other crates' caches, on std's allocator.
    Cache(cache::Options),
    /// Thousands of blocks into a database that grows: what a block and opening cost at each size.
    Chain(chain::Options),
    /// The heap against the allocators that a guest could pick instead, on the same workloads.
    Heap(heap::Options),
    /// Instances that map one image of a cache, against copying it into each.
    Images(images::Options),
    /// The indexer on steadfast against the same one on std's allocator with a cache of `lru` over
    /// `hashbrown`.
    Indexer {
        /// Blocks to index in this order, as for the demo.
        #[arg(long, num_args = 1.., value_name = "FILE")]
        input: Vec<PathBuf>,
        /// Runs of each subject.
        #[arg(long, default_value_t = 31)]
        runs: usize,
    },
    /// Thousands of blocks on one state: fails if memory grows, or if the state is not the
    /// reference's.
    Load(load::Options),
    /// `metashrew::get` against the same over lru-mem, as metashrew used it.
    Metashrew {
        /// Runs of each subject.
        #[arg(long, default_value_t = 51)]
        runs: usize,
    },
    /// Start-up with a region of 1 GiB against `Vec::resize` of 1 GiB.
    Startup {
        /// Runs of each subject.
        #[arg(long, default_value_t = 15)]
        runs: usize,
    },
    /// Handing the cache from one block's instance to the next: kept, moved, copied, or not at all.
    Warm(warm::Options),
    /// Bytes that the crate adds to a small module.
    Size,
    /// Draws the pictures of the documentation that show a run of the indexer.
    Pictures {
        /// Where they go.
        directory: PathBuf,
    },
    /// Resident bytes of this process after one run of a guest; what `startup` starts in a process
    /// of its own.
    #[command(hide = true)]
    Resident {
        /// The guest.
        guest: String,
        /// What it was compiled to; without, it is compiled in this process.
        compiled: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let mut figures = Figures::default();
    match arguments.bench {
        Bench::Beside(options) => beside::measure(&options, &mut figures)?,
        Bench::Cache(options) => cache::measure(&options, &mut figures)?,
        Bench::Chain(options) => chain::measure(&options, &mut figures)?,
        Bench::Heap(options) => {
            heap::measure(&options, &mut figures)?;
            return write(&figures, arguments.json.as_deref());
        }
        Bench::Images(options) => images::measure(&options, &mut figures)?,
        Bench::Indexer { input, runs } => indexer::measure(&input, runs, &mut figures)?,
        Bench::Load(options) => load::measure(&options, &mut figures)?,
        Bench::Metashrew { runs } => metashrew::measure(runs, &mut figures)?,
        Bench::Startup { runs } => startup::measure(runs, &mut figures)?,
        Bench::Warm(options) => warm::measure(&options, &mut figures)?,
        Bench::Size => size::measure(&mut figures)?,
        Bench::Pictures { directory } => return pictures::draw_all(&directory),
        Bench::Resident { guest, compiled } => {
            return startup::print_resident(&guest, compiled.as_deref());
        }
    }
    figures.print();
    write(&figures, arguments.json.as_deref())
}

fn write(figures: &Figures, json: Option<&Path>) -> Result<()> {
    match json {
        Some(path) => figures.write_json(path),
        None => Ok(()),
    }
}
