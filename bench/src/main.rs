//! Measures steadfast beside its peers, in one run, and prints what it measured.

mod figures;
mod guests;
mod size;
mod startup;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

use figures::Figures;

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
    /// Start-up with a region of 1 GiB against `Vec::resize` of 1 GiB.
    Startup {
        /// Runs of each subject.
        #[arg(long, default_value_t = 15)]
        runs: usize,
    },
    /// Bytes that the crate adds to a small module.
    Size,
    /// Resident bytes of this process after one run of a guest; what `startup` starts in a process of its own.
    #[command(hide = true)]
    Resident {
        /// The guest.
        guest: String,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut figures = Figures::default();
    match arguments.bench {
        Bench::Startup { runs } => startup::measure(runs, &mut figures)?,
        Bench::Size => size::measure(&mut figures)?,
        Bench::Resident { guest } => return startup::print_resident(&guest),
    }
    figures.print();
    if let Some(path) = arguments.json {
        figures.write_json(&path)?;
    }
    Ok(())
}
