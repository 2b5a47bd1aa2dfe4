//! What was compared, and what came of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::advice::blamed;
use super::axis::Axis;
use super::observation::{Difference, Kind};
use crate::digest::Digest;
use crate::table;

/// What came of one engine and scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The same as in the reference.
    Same {
        /// The digest of the state after the last block.
        state: Digest,
        /// Bytes of the cache's region, of modules that have one.
        capacity_bytes: Option<u32>,
    },
    /// The heap's budget was refused, and the module stopped as the crate defines, before it wrote
    /// anything.
    RefusedAsDefined,
    /// The module stops in its second block in one instance: a host that keeps instances cannot run
    /// it, and stores nothing else. This is why.
    StopsWhenKept(String),
    /// Something else than in the reference.
    Different {
        /// The block's height.
        height: u32,
        /// What kind of difference it is.
        kind: Kind,
        /// The first thing that differs.
        difference: Difference,
    },
    /// The engine could not run it.
    CouldNotRun(String),
    /// The engine is not here.
    Skipped(String),
}

/// The result for a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// No run differed from the reference.
    Deterministic,
    /// One did.
    Different,
    /// No run differed, but one that should have been made could not be.
    Incomplete,
}

/// One engine in one scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The engine.
    pub engine: String,
    /// The scenario.
    pub scenario: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How the run departs from the reference.
    axes: Vec<Axis>,
}

/// Everything that was compared.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// The digest of the reference's state after the last block.
    pub state: Digest,
    /// The blocks of each run: those given, repeated up to three where that can be done.
    pub blocks: usize,
    /// The runs, in the order in which they were made.
    pub rows: Vec<Row>,
}

impl VerifyReport {
    pub(super) fn new(state: Digest, blocks: usize) -> Self {
        VerifyReport {
            state,
            blocks,
            rows: Vec::new(),
        }
    }

    /// Notes what came of a run that departs from the reference on these axes.
    pub(super) fn push(&mut self, engine: &str, scenario: &str, axes: Vec<Axis>, outcome: Outcome) {
        self.rows.push(Row {
            engine: engine.to_string(),
            scenario: scenario.to_string(),
            outcome,
            axes,
        });
    }

    /// The kinds of difference that there are, what matters most first, each with the number of
    /// runs that show it and what to look at.
    #[must_use]
    pub fn differences(&self) -> Vec<(Kind, usize, Vec<&'static str>)> {
        let told = self.departures().into_iter();
        told.map(|(kind, axes)| (kind, axes.len(), kind.advice(&blamed(&axes))))
            .collect()
    }

    /// The rules of [`check`](mod@crate::check) that can explain a difference that there is.
    #[must_use]
    pub fn rules(&self) -> BTreeSet<&'static str> {
        let kinds = self.departures().into_iter();
        kinds
            .flat_map(|(kind, axes)| kind.rules(&blamed(&axes)))
            .collect()
    }

    /// The kinds of difference, each with the axes on which each run that shows it departs.
    fn departures(&self) -> BTreeMap<Kind, Vec<&[Axis]>> {
        let mut departures: BTreeMap<Kind, Vec<&[Axis]>> = BTreeMap::new();
        for row in &self.rows {
            if let Outcome::Different { kind, .. } = row.outcome {
                departures.entry(kind).or_default().push(&row.axes);
            }
        }
        departures
    }

    /// The result of all rows together. An engine that is not here takes nothing from it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let any = |test: fn(&Outcome) -> bool| self.rows.iter().any(|row| test(&row.outcome));
        if any(|outcome| matches!(outcome, Outcome::Different { .. })) {
            Verdict::Different
        } else if any(|outcome| matches!(outcome, Outcome::CouldNotRun(_))) {
            Verdict::Incomplete
        } else {
            Verdict::Deterministic
        }
    }
}

impl Outcome {
    fn words(&self) -> (&'static str, String) {
        match self {
            Outcome::Same {
                capacity_bytes: Some(bytes),
                ..
            } => (
                "same",
                format!("with {} for the cache", table::bytes(u64::from(*bytes))),
            ),
            Outcome::Same { .. } => ("same", String::new()),
            Outcome::RefusedAsDefined => (
                "refused",
                "the heap's budget, before anything was written".into(),
            ),
            Outcome::StopsWhenKept(reason) => (
                "stopped",
                format!(
                    "after its first block, as it may on a host that keeps instances: {reason}"
                ),
            ),
            Outcome::Different {
                height, difference, ..
            } => ("DIFFERENT", format!("block {height}: {difference}")),
            Outcome::CouldNotRun(reason) => ("could not run", reason.clone()),
            Outcome::Skipped(reason) => ("skipped", reason.clone()),
        }
    }
}

impl Serialize for VerifyReport {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Line<'a> {
            engine: &'a str,
            scenario: &'a str,
            outcome: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            kind: Option<Kind>,
            detail: String,
        }
        #[derive(Serialize)]
        struct Found {
            kind: Kind,
            runs: usize,
            look_at: Vec<&'static str>,
        }
        #[derive(Serialize)]
        struct Whole<'a> {
            verdict: Verdict,
            differences: Vec<Found>,
            state_digest: &'a Digest,
            blocks: usize,
            rows: Vec<Line<'a>>,
        }
        let line = |row: &'_ Row| -> (&'static str, String) { row.outcome.words() };
        let rows = self.rows.iter().map(|row| {
            let (outcome, detail) = line(row);
            Line {
                engine: &row.engine,
                scenario: &row.scenario,
                outcome,
                kind: match row.outcome {
                    Outcome::Different { kind, .. } => Some(kind),
                    _ => None,
                },
                detail,
            }
        });
        let differences = self.differences().into_iter();
        let differences = differences.map(|(kind, runs, look_at)| Found {
            kind,
            runs,
            look_at,
        });
        Whole {
            verdict: self.verdict(),
            differences: differences.collect(),
            state_digest: &self.state,
            blocks: self.blocks,
            rows: rows.collect(),
        }
        .serialize(serializer)
    }
}

/// One line for each run, aligned; then the verdict.
impl fmt::Display for VerifyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: fn(&Row) -> usize| self.rows.iter().map(column).max().unwrap_or(0);
        let engines = width(|row| row.engine.len());
        let scenarios = width(|row| row.scenario.len());
        for row in &self.rows {
            let (outcome, detail) = row.outcome.words();
            let (engine, scenario) = (&row.engine, &row.scenario);
            let line = format!("{engine:engines$}  {scenario:scenarios$}  {outcome:9}  {detail}");
            writeln!(f, "{}", line.trim_end())?;
        }
        let compared = |row: &&Row| !matches!(row.outcome, Outcome::Skipped(_));
        let runs = self.rows.iter().filter(compared).count();
        match self.verdict() {
            Verdict::Deterministic => {
                writeln!(
                    f,
                    "deterministic: {runs} runs of {} blocks, one state after the last, {}",
                    self.blocks, self.state
                )
            }
            Verdict::Different => self.write_differences(f),
            Verdict::Incomplete => writeln!(
                f,
                "no difference in what ran, but not everything could be run"
            ),
        }
    }
}

impl VerifyReport {
    fn write_differences(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let differences = self.differences();
        let kinds = differences.iter().map(|(kind, runs, _)| {
            let plural = if *runs == 1 { "" } else { "s" };
            format!("{} ({runs} run{plural})", kind.words())
        });
        let kinds: Vec<String> = kinds.collect();
        writeln!(f, "NOT deterministic: {}", kinds.join("; "))?;
        let mut told = BTreeSet::new();
        for advice in differences.iter().flat_map(|(_, _, advice)| advice) {
            if told.insert(advice) {
                writeln!(f, "look at {advice}")?;
            }
        }
        Ok(())
    }
}
