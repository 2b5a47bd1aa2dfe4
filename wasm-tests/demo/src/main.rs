//! Indexes real blocks under every kind of memory that a host may grant, and fails if anybody can
//! tell the difference.

mod memory;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use steadfast_host::ceiling::PAGE_BYTES;
use steadfast_host::{Input, MemoryState, Runner};
use steadfast_testkit::figures::Figures;

use memory::{Subject, scenarios};
use trial::{Expected, Instances, Outcome};

#[derive(Parser)]
struct Arguments {
    /// Blocks to index in this order: raw, or with the height in front as a little-endian u32;
    /// mainnet block 702,861 without any.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
    /// Writes the figures to this file, one JSON object a line.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every scenario on both modules, prints the tables, and only then tells what differed.
fn run(arguments: &Arguments) -> Result<()> {
    let inputs = inputs(&arguments.input)?;
    let runners = Subject::ALL.map(|subject| load(subject).map(|runner| (subject, runner)));
    let runners: Vec<_> = runners.into_iter().collect::<Result<_>>()?;

    println!("A fresh instance for each block: {}", heights(&inputs));
    let (figures, fresh) = family(Instances::Fresh, &runners, &inputs)?;
    for (subject, runner) in &runners {
        let refusal = refusal(runner, &inputs[0])?;
        println!("One page below the budget, {}: {refusal}", subject.name());
    }
    let twice = [&inputs[..], &inputs].concat();
    println!(
        "\nOne instance, its cache warm the second time: {}",
        heights(&twice)
    );
    let metashrew = &runners[runners.len() - 1..];
    let (_, kept) = family(Instances::Kept, metashrew, &twice)?;
    if let Some(path) = &arguments.json {
        figures.write_json(path)?;
    }
    for line in fresh.iter().chain(&kept) {
        println!("{}", line.as_ref().unwrap_or_else(|fault| fault));
    }
    let faults = fresh.iter().chain(&kept).filter(|line| line.is_err());
    match faults.count() {
        0 => Ok(()),
        count => bail!("{count} differences"),
    }
}

/// Runs all scenarios over a list of blocks, and prints their table. Answers the figures and the
/// verdict: one line, or one for each difference.
fn family(
    instances: Instances,
    runners: &[(Subject, Runner)],
    inputs: &[Input],
) -> Result<(Figures, Vec<Result<String, String>>)> {
    let (bench, prefix) = match instances {
        Instances::Fresh => ("demo", ""),
        Instances::Kept => ("replay", "replay-"),
    };
    let expected = Expected::of(inputs)?;
    let (mut figures, mut faults, mut runs) = (Figures::default(), Vec::new(), 0);
    for (subject, runner) in runners {
        let plan = runner.guest().plan();
        let plan = plan.with_context(|| format!("{} has no plan", subject.module()))?;
        let mut first: Option<Outcome> = None;
        for scenario in scenarios(*subject, plan, expected.least_entry_bytes) {
            let row = format!("{prefix}{}", scenario.row);
            let name = format!("{row} of {}", subject.name());
            let outcome = trial::run(runner, instances, &scenario, inputs);
            let outcome = outcome.with_context(|| name.clone())?;
            outcome.report(&mut figures, bench, &row, subject.name(), instances);
            let first = first.get_or_insert_with(|| outcome.clone());
            if instances == Instances::Kept && first.cache_hits == 0 {
                faults.push(Err(format!("{name}: the first run's cache was never hit")));
            }
            let found = outcome.faults(&scenario, &expected, first);
            let told = |fault| Err(format!("{bench}: DIFFERENT: {name}: {fault}"));
            faults.extend(found.into_iter().map(told));
            runs += 1;
        }
    }
    figures.print();
    println!();
    if faults.is_empty() {
        faults.push(Ok(format!(
            "{bench}: {runs} runs, one state, the reference indexer's ({}); one sequence of heap addresses for each module",
            expected.counts()
        )));
    }
    Ok((figures, faults))
}

/// Reads the files; without any, mainnet block 702,861.
fn inputs(files: &[PathBuf]) -> Result<Vec<Input>> {
    if files.is_empty() {
        let block = bitcoin_test_data::blocks::mainnet_702861();
        return Ok(vec![Input::parse("mainnet block 702861", block)?]);
    }
    Ok(files.iter().map(Input::read).collect::<Result<_, _>>()?)
}

fn load(subject: Subject) -> Result<Runner> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    let path = target.join("guests").join(subject.module());
    let module = fs::read(&path)
        .with_context(|| format!("{} is missing; run `cargo xtask guests`", path.display()))?;
    Runner::new(&module, subject.config()).with_context(|| subject.module().to_owned())
}

/// The blocks' heights, for a heading.
fn heights(inputs: &[Input]) -> String {
    let heights = inputs.iter().map(|input| input.height().to_string());
    heights.collect::<Vec<_>>().join(", ")
}

/// What a host tells whose ceiling lies one page below the heap's budget.
fn refusal(runner: &Runner, input: &Input) -> Result<String> {
    let mut config = runner.config().clone();
    config.ceiling = runner.guest().memory_needed() - PAGE_BYTES;
    let mut state = MemoryState::default();
    match runner.with_config(config)?.run_block(input, &mut state) {
        Ok(_) => bail!("a module ran without its heap's budget"),
        Err(error) => {
            let (line, pairs) = (error.to_string(), state.pairs());
            ensure!(pairs.is_empty(), "a refused module wrote to the state");
            ensure!(!line.contains('\n'), "more than a line: {line}");
            Ok(line)
        }
    }
}
