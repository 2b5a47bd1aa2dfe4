//! `steadfast verify`: is a module deterministic, whatever memory it is given?

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use steadfast_host::verify::{Extent, Verdict, verify as run_matrix};

/// The module is not deterministic.
const DIFFERENT: u8 = 1;
/// Something could not be run.
const COULD_NOT_RUN: u8 = 2;

/// Runs a module on every engine there is and under every kind of memory, and compares what it does
///
/// Ends with status 0 when it does the same everywhere, 1 when it does not, and 2 when something could not be run.
#[derive(clap::Args)]
pub struct Arguments {
    /// The indexer: a WebAssembly module that exports `_start`, built on steadfast or not
    module: PathBuf,
    /// A serialised Bitcoin block, or one with its height in front as a little-endian u32; any number of them, indexed in the order given
    #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Tries everything on the first engine, and a few kinds of memory on the others
    #[arg(long)]
    quick: bool,
    /// Prints the result as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the matrix, and prints its table.
pub fn verify(arguments: &Arguments) -> ExitCode {
    match report(arguments) {
        Ok(Verdict::Deterministic) => ExitCode::SUCCESS,
        Ok(Verdict::Different) => ExitCode::from(DIFFERENT),
        Ok(Verdict::Incomplete) => ExitCode::from(COULD_NOT_RUN),
        Err(error) => {
            eprintln!("steadfast: {error:#}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn report(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let inputs = super::read_inputs(&arguments.input)?;
    let module = super::read_module(&arguments.module)?;
    let extent = if arguments.quick {
        Extent::Quick
    } else {
        Extent::Full
    };
    let bar = progress();
    let report = run_matrix(&module, &inputs, extent, |at, all, engine, scenario| {
        bar.set_length(all as u64);
        bar.set_position(at as u64);
        bar.set_message(format!("{engine}, {scenario}"));
    })
    .with_context(|| arguments.module.display().to_string());
    bar.finish_and_clear();
    let report = report?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    Ok(report.verdict())
}

/// A bar on a terminal; otherwise nothing.
fn progress() -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
    ProgressBar::new(0).with_style(style.expect("the template is well-formed"))
}
