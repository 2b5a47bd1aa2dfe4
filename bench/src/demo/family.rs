//! All scenarios over one list of blocks.

use anyhow::{Context as _, Result, ensure};
use steadfast_host::{Input, Runner};

use super::expected::Expected;
use super::outcome::Outcome;
use super::scenario::{Subject, scenarios};
use super::trial::{self, Instances};
use crate::figures::{Figure, Figures, Value};

/// The runs of all scenarios, and what they showed.
pub struct Family<'a> {
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
    ///
    /// # Errors
    /// When the reference indexer refuses a block.
    pub fn new(instances: Instances, inputs: &'a [Input]) -> Result<Self> {
        Ok(Family {
            instances,
            inputs,
            expected: Expected::of(inputs)?,
            runs: 0,
            faults: Vec::new(),
            figures: Figures::default(),
        })
    }

    /// What figures call the bench, and what stands before a scenario's name in a row's.
    fn names(&self) -> (&'static str, &'static str) {
        match self.instances {
            Instances::Fresh => ("demo", ""),
            Instances::Kept => ("replay", "replay-"),
        }
    }

    /// Runs every scenario on one module.
    ///
    /// # Errors
    /// When a run fails. Differences are kept for the verdict.
    pub fn run(&mut self, subject: Subject, runner: &Runner) -> Result<()> {
        let plan = runner.guest().plan();
        let plan = plan.with_context(|| format!("{} has no plan", subject.module()))?;
        let mut first: Option<Outcome> = None;
        for scenario in scenarios(subject, plan, &self.expected) {
            let row = format!("{}{}", self.names().1, scenario.row);
            let outcome = trial::run(runner, self.instances, &scenario, self.inputs)
                .with_context(|| format!("{row} of {}", subject.name()))?;
            self.report(&row, subject, &outcome);
            let first = first.get_or_insert_with(|| outcome.clone());
            let mut faults = outcome.faults(&scenario, &self.expected, first);
            if self.instances == Instances::Kept && first.cache_hits == 0 {
                faults.push(String::from("the first run's cache was never hit"));
            }
            let name = |fault| format!("{row} of {}: {fault}", subject.name());
            self.faults.extend(faults.into_iter().map(name));
            self.runs += 1;
        }
        Ok(())
    }

    fn report(&mut self, row: &str, subject: Subject, outcome: &Outcome) {
        let bench = self.names().0;
        // A fresh instance reads each key once: only a kept one can have hits.
        let hits = Value::Number(outcome.cache_hits as f64);
        let hits = (self.instances == Instances::Kept).then_some(("cache_hits", hits, ""));
        for (metric, value, unit) in outcome.figures().into_iter().chain(hits) {
            self.figures.push(Figure {
                bench,
                row: row.to_owned(),
                subject: subject.name().to_owned(),
                metric,
                value,
                unit,
            });
        }
    }

    /// Tells what differed, or that nothing did.
    ///
    /// # Errors
    /// When anything differed.
    pub fn verdict(&self) -> Result<()> {
        let ((bench, _), runs, count) = (self.names(), self.runs, self.faults.len());
        for fault in &self.faults {
            println!("{bench}: DIFFERENT: {fault}");
        }
        ensure!(count == 0, "{bench}: {count} differences in {runs} runs");
        println!(
            "{bench}: {runs} runs, one state, the reference indexer's ({}); one sequence of heap addresses for each module",
            self.expected
        );
        Ok(())
    }
}
