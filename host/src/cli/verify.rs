//! `steadfast verify`: is a module deterministic, whatever memory it is given?

use std::io::{IsTerminal, stderr};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use steadfast_host::ceiling::{MAX_CEILING, parse_bytes};
use steadfast_host::check::{Finding, check};
use steadfast_host::verify::{Extent, Verdict, VerifyConfig, VerifyReport, verify as run_matrix};
use steadfast_host::{Bound, Bounds};

use super::block_files::BlockFiles;
use super::check::findings;
use super::limits::{Time, parse_seconds};

/// The module is not deterministic.
const DIFFERENT: u8 = 1;
/// Something could not be run.
const COULD_NOT_RUN: u8 = 2;

/// Runs a module on every engine there is and under every kind of memory, and compares what it does
///
/// Engines, ceilings, memory grown beforehand, and caches are crossed: every two values of two of
/// them meet. Fewer than three blocks are filled up by the last one, again at the heights that
/// follow. Ends with status 0 when it does the same everywhere, 1 when it does not, and 2 when
/// something could not be run.
#[derive(clap::Args)]
#[command(mut_arg("input", |input| input.required(true)))]
#[command(override_usage = "steadfast verify <MODULE> --input <FILE|FOLDER>... [OPTIONS]")]
pub struct Arguments {
    /// The indexer: a WebAssembly module that exports `_start`, built on steadfast or not
    module: PathBuf,
    #[command(flatten)]
    blocks: BlockFiles,
    /// Tries fewer ceilings, pre-grown sizes and refusals
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// Tries every combination: hundreds of runs
    #[arg(long)]
    full: bool,
    /// The most memory that any run may have, such as 512MiB; by default 4 GiB, and 768 MiB on an
    /// engine that commits what it grows
    #[arg(long, value_parser = parse_bytes, value_name = "BYTES", default_value_t = MAX_CEILING, hide_default_value = true)]
    ceiling: u64,
    /// The most time that each block of any run may take; 120 seconds by default
    #[arg(long, value_parser = parse_seconds, value_name = "SECONDS")]
    timeout: Option<Time>,
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
            super::warn(&format!("{error:#}"));
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

fn report(arguments: &Arguments) -> anyhow::Result<Verdict> {
    let inputs = arguments.blocks.read(Bounds::default())?;
    let module = super::read_bounded(&arguments.module, Bound::ModuleBytes, &Bounds::default())?;
    let extent = match (arguments.quick, arguments.full) {
        (true, _) => Extent::Quick,
        (_, true) => Extent::Full,
        _ => Extent::Pairs,
    };
    let mut config = VerifyConfig {
        extent,
        ceiling: arguments.ceiling,
        ..VerifyConfig::default()
    };
    if let Some(Time(limit)) = arguments.timeout {
        config.timeout =
            limit.context("a run of `verify` always ends: give a number of seconds")?;
    }
    let bar = progress();
    let report = run_matrix(&module, &inputs, &config, |at, all, engine, scenario| {
        bar.set_length(all as u64);
        bar.set_position(at as u64);
        bar.set_message(format!("{engine}, {scenario}"));
    })
    .with_context(|| arguments.module.display().to_string());
    bar.finish_and_clear();
    let report = report?;
    let causes = causes(&module, &report);
    if arguments.json {
        super::print_json(&Told {
            report: &report,
            causes: &causes,
        })?;
    } else {
        super::print(&report.to_string())?;
        if !causes.is_empty() {
            super::print(&format!(
                "`steadfast check` finds what can explain it:\n{}",
                findings(&causes, false)
            ))?;
        }
    }
    Ok(report.verdict())
}

/// The report, and what can explain a difference.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    report: &'a VerifyReport,
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    causes: &'a [Finding],
}

/// What stands in the module that can explain a difference.
fn causes(module: &[u8], report: &VerifyReport) -> Vec<Finding> {
    let rules = report.rules();
    if rules.is_empty() {
        return Vec::new();
    }
    // What ran is a module; a component is not looked into.
    let mut found = check(module).unwrap_or_default();
    found.retain(|finding| rules.contains(finding.rule.id));
    found
}

/// A bar on a terminal; otherwise nothing.
fn progress() -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg}");
    ProgressBar::new(0).with_style(style.expect("the template is well-formed"))
}
