//! Indexes real blocks under every kind of memory that a host may grant, and checks that nobody can tell the difference.

mod expected;
mod scenario;
mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use steadfast_host::ceiling::PAGE_BYTES;
use steadfast_host::{Input, MemoryState, Runner};

use crate::figures::Figures;
use crate::guests;
use crate::inputs;
use expected::Expected;
use scenario::{Subject, scenarios};
use trial::Trial;

/// Runs every scenario on both modules, prints the table, writes the figures, and only then tells what was found wrong.
///
/// # Errors
/// When a module is missing, a run fails, or anything differs that must not.
pub fn run(files: &[PathBuf], json: Option<&Path>) -> Result<()> {
    let inputs = inputs::read(files)?;
    let expected = Expected::of(&inputs)?;
    if files.is_empty() {
        expected.check_known_block()?;
    }
    let mut figures = Figures::default();
    let mut faults = Vec::new();
    let mut refusals = Vec::new();
    let mut runs = 0;
    for subject in [Subject::Wasi, Subject::Metashrew] {
        let module = guests::read(subject.module())?;
        let runner = Runner::new(&module, subject.config())?;
        let plan = runner.guest().plan().copied();
        ensure!(plan.is_some(), "{} has no plan", subject.module());
        let mut first: Option<Trial> = None;
        for scenario in plan
            .iter()
            .flat_map(|plan| scenarios(subject, plan, &expected))
        {
            let trial = Trial::run(&runner, &scenario, &inputs)?;
            trial.report(subject, &scenario, &mut figures);
            let reference = first.as_ref().unwrap_or(&trial);
            let name = |fault| format!("{} of {}: {fault}", scenario.row, subject.name());
            faults.extend(trial.faults(&scenario, &expected, reference).map(name));
            first.get_or_insert(trial);
            runs += 1;
        }
        refusals.push((subject, refusal(&runner, &inputs[0])?));
    }
    figures.print();
    println!();
    for (subject, refusal) in refusals {
        println!("below the budget, {}: {refusal}", subject.name());
    }
    if let Some(path) = json {
        figures.write_json(path)?;
    }
    println!();
    for fault in &faults {
        println!("DIFFERENT: {fault}");
    }
    ensure!(
        faults.is_empty(),
        "{} differences in {runs} runs",
        faults.len()
    );
    println!(
        "{runs} runs, one state: that of the plain reference indexer, which counts {expected}."
    );
    println!("Each module's heap handed out the same addresses in every run.");
    Ok(())
}

/// What a host tells whose ceiling lies one page below the heap's budget.
fn refusal(runner: &Runner, input: &Input) -> Result<String> {
    let mut config = runner.config().clone();
    config.ceiling = runner.guest().memory_needed() - PAGE_BYTES;
    let mut state = MemoryState::default();
    match runner.with_config(config)?.run_block(input, &mut state) {
        Ok(_) => bail!("a module ran without its heap's budget"),
        Err(error) => {
            ensure!(
                state.pairs().is_empty(),
                "a refused module wrote to the state"
            );
            let line = error.to_string();
            ensure!(
                !line.contains('\n'),
                "the refusal takes more than one line: {line}"
            );
            Ok(line)
        }
    }
}
