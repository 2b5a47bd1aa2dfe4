//! The project's tasks: set-up, guest modules, the demo, the benches and the whole test run.

mod apt;
mod bench;
mod browser;
mod clang;
mod debian;
mod demo;
mod embedder;
mod guests;
mod licences;
mod mutants;
mod optional;
mod own_host;
mod page;
mod port;
mod project;
mod shell;
mod step;
mod tally;
mod test;
mod toolchain;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::project::Project;
use crate::test::Suite;
use crate::toolchain::Way;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Get the wasm targets and the tools that the tests run under
    Setup {
        /// Where the wasm targets come from [default: STEADFAST_TOOLCHAIN, or auto]
        #[arg(long)]
        toolchain: Option<Way>,
    },
    /// Build the guest modules into target/guests/
    Guests,
    /// Set up, build the indexer modules and run them on a real block under many memory ceilings
    Demo {
        /// Where the wasm targets come from [default: STEADFAST_TOOLCHAIN, or auto]
        #[arg(long)]
        toolchain: Option<Way>,
        /// Blocks to index: raw, or with the height in front as metashrew passes them
        #[arg(long, num_args = 1.., value_name = "FILE")]
        input: Vec<PathBuf>,
        /// Write the figures there, one JSON object a line
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Write a block of mainnet to target/guests/mainnet-702861.block
    Block,
    /// Set up, build the indexer that is written for metashrew, index a real block with it and show
    /// its memory
    Port,
    /// Set up, build the indexer that is written for metashrew and run it in a host with a wasmtime
    /// of its own
    OwnHost,
    /// Set up, build the indexers and serve the page that runs one of them in a browser, until it
    /// is stopped
    Page {
        /// The port on this machine; 0 for any that is free
        #[arg(long, default_value_t = 8080)]
        port: u16,
    },
    /// Set up, build the guest modules and run one bench
    Bench {
        /// The bench's name
        name: String,
        /// Write the figures there, one JSON object a line
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
        /// Anything else that the bench takes
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Set up, build the indexer modules and draw the pictures of the documentation that show a
    /// run: the map, the hit ratios
    DocsPictures,
    /// Change the guest crate in many small ways, and list the changes that its tests do not notice
    /// (hours)
    Mutants {
        /// One part of the changes alone, as in `0/8`
        #[arg(long, value_name = "K/N")]
        shard: Option<String>,
        /// Anything else that `cargo mutants` takes
        #[arg(last = true)]
        rest: Vec<String>,
    },
    /// Set up and run every check and every test
    Test {
        /// Where the wasm targets come from [default: STEADFAST_TOOLCHAIN, or auto]
        #[arg(long)]
        toolchain: Option<Way>,
        /// Run one suite alone, as while working: `native` (with rustfmt and clippy, without doc
        /// tests) or `host`
        #[arg(long, value_name = "SUITE", num_args = 0..=1, default_missing_value = "native")]
        quick: Option<Suite>,
        /// With `--quick`, what the test programs are given: a filter, say
        #[arg(last = true, requires = "quick")]
        rest: Vec<String>,
    },
}

fn run(task: Task) -> Result<()> {
    match task {
        Task::Setup { toolchain } => {
            let project = Project::set_up(toolchain)?;
            tools::install(&project)
        }
        Task::Guests => guests::all(&Project::set_up(None)?),
        Task::Demo {
            toolchain,
            input,
            json,
        } => {
            let project = Project::set_up(toolchain)?;
            guests::demo(&project)?;
            demo::run(&project, &input, json)
        }
        Task::Block => {
            println!("{}", port::block(&Project::set_up(None)?)?.display());
            Ok(())
        }
        Task::Port => {
            let project = Project::set_up(None)?;
            guests::indexers(&project)?;
            tools::steadfast(&project)?;
            port::run(&project)
        }
        Task::OwnHost => {
            let project = Project::set_up(None)?;
            guests::indexers(&project)?;
            own_host::run(&project)
        }
        Task::Page { port } => {
            let project = Project::set_up(None)?;
            guests::indexers(&project)?;
            page::serve(&project, port)
        }
        Task::Bench { name, json, rest } => {
            let project = Project::set_up(None)?;
            guests::all(&project)?;
            bench::bench(&project, &name, json, &rest)
        }
        Task::DocsPictures => {
            let project = Project::set_up(None)?;
            guests::indexers(&project)?;
            bench::pictures(&project)
        }
        Task::Mutants { shard, rest } => {
            mutants::run(&Project::set_up(None)?, shard.as_deref(), &rest)
        }
        Task::Test {
            toolchain,
            quick,
            rest,
        } => {
            let project = Project::set_up(toolchain)?;
            match quick {
                Some(suite) => test::quick(&project, suite, &rest),
                None => test::run(&project.once()),
            }
        }
    }
}

/// Runs a task given as the words behind `cargo xtask`.
fn run_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let words = ["cargo xtask"].into_iter().chain(words);
    run(Arguments::try_parse_from(words)?.task)
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
