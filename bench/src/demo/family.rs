//! All scenarios over one list of blocks.

use anyhow::{Context as _, Result, ensure};
use steadfast_host::{Input, Runner};

use super::expected::Expected;
use super::scenario::{Subject, scenarios};
use super::trial::Trial;
use crate::figures::Figures;

/// How instances are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instances {
    /// One for each block.
    Fresh,
    /// One for all blocks.
    Kept,
}

/// The runs of all scenarios, and what they showed.
pub struct Family<'a> {
    bench: &'static str,
    instances: Instances,
    inputs: &'a [Input],
    expected: Expected,
    runs: usize,
    faults: Vec<String>,
    /// What was measured.
    pub figures: Figures,
}

impl<'a> Family<'a> {
    /// No run yet.
    pub fn new(
        bench: &'static str,
        instances: Instances,
        inputs: &'a [Input],
        expected: Expected,
    ) -> Self {
        Family {
            bench,
            instances,
            inputs,
            expected,
            runs: 0,
            faults: Vec::new(),
            figures: Figures::default(),
        }
    }

    /// Runs every scenario on one module.
    ///
    /// # Errors
    /// When a run fails. Differences are kept for the verdict.
    pub fn run(&mut self, subject: Subject, runner: &Runner) -> Result<()> {
        let plan = runner.guest().plan().context("the module has no plan")?;
        let mut first: Option<Trial> = None;
        for scenario in scenarios(subject, plan, &self.expected) {
            let trial = match self.instances {
                Instances::Fresh => Trial::fresh(runner, &scenario, self.inputs)?,
                Instances::Kept => Trial::kept(runner, &scenario, self.inputs)?,
            };
            let row = match self.instances {
                Instances::Fresh => scenario.row.to_owned(),
                Instances::Kept => format!("replay-{}", scenario.row),
            };
            trial.report(self.bench, &row, subject, &mut self.figures);
            let first = first.get_or_insert_with(|| trial.clone());
            let mut faults = trial.faults(&scenario, &self.expected, first);
            if self.instances == Instances::Kept && first.hits() == 0 {
                faults.push(String::from("the first run's cache was never hit"));
            }
            let name = |fault| format!("{row} of {}: {fault}", subject.name());
            self.faults.extend(faults.into_iter().map(name));
            self.runs += 1;
        }
        Ok(())
    }

    /// Tells what differed, or that nothing did.
    ///
    /// # Errors
    /// When anything differed.
    pub fn verdict(&self) -> Result<()> {
        let (bench, runs) = (self.bench, self.runs);
        for fault in &self.faults {
            println!("{bench}: DIFFERENT: {fault}");
        }
        let count = self.faults.len();
        ensure!(count == 0, "{bench}: {count} differences in {runs} runs");
        println!(
            "{bench}: {runs} runs, one state, the reference indexer's ({}); one sequence of heap addresses for each module",
            self.expected
        );
        Ok(())
    }
}
