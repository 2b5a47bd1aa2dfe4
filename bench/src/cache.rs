//! The cache beside other crates' caches: the same keys in the same order, each in a module of its
//! own.

mod block;
mod fit;
mod instance;
mod model;
mod numbers;
mod race;
mod rows;
mod script;
mod sizes;
mod subject;
mod worst;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use self::instance::Op;
use crate::figures::{Figure, Figures, Value};

/// The mean bytes of a key and its value.
const ENTRY_BYTES: u64 = 137;

/// What to measure.
#[derive(Args)]
pub struct Options {
    /// Only these rows.
    #[arg(long, num_args = 1.., value_name = "ROW", value_parser = clap::builder::PossibleValuesParser::new(ROWS))]
    rows: Vec<String>,
    /// Only these subjects.
    #[arg(long, num_args = 1.., value_name = "SUBJECT")]
    subjects: Vec<String>,
    /// A fifth of the timed operations, for a first look.
    #[arg(long)]
    quick: bool,
    /// Measures nothing, and prints the sizes with which the peers have the most hits in row
    /// `zipf-real-64m`.
    #[arg(long)]
    fit: bool,
    /// Draws the cost of a hit against resident bytes, from 1 MiB to 1 GiB, into this SVG file;
    /// takes a few minutes more and 3 GB.
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// The blocks of row `block-linked`, as for the demo.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
}

const ROWS: [&str; 16] = [
    "hit-1m",
    "hit-16m",
    "hit-64m",
    "hit-256m",
    "many-1m",
    "many-16m",
    "many-64m",
    "many-256m",
    "zipf",
    "zipf-real-64m",
    "evict",
    "creep",
    "block-linked",
    "worst-case",
    "worst-case-chosen",
    "worst-by-size",
];

impl Options {
    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| wanted == row)
    }

    /// So many operations, or fewer.
    fn scaled(&self, operations: usize) -> usize {
        if self.quick {
            operations / 5
        } else {
            operations
        }
    }
}

/// One row's figures.
struct Row<'a> {
    name: &'a str,
    figures: &'a mut Figures,
}

impl Row<'_> {
    fn push(&mut self, subject: &str, metric: &'static str, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            bench: "cache",
            row: self.name.to_owned(),
            subject: subject.to_owned(),
            metric,
            value: Value::Number(value),
            unit,
        });
    }
}

/// Measures each row that is asked for.
///
/// # Errors
/// When a guest is missing or fails, or a cache answers what it must not.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let subjects = subject::named(&options.subjects)?;
    if options.fit {
        return rows::fit(options, &subjects);
    }
    for (name, op, mib) in [
        ("hit-1m", Op::Get, 1),
        ("hit-16m", Op::Get, 16),
        ("hit-64m", Op::Get, 64),
        ("hit-256m", Op::Get, 256),
        ("many-1m", Op::GetMany, 1),
        ("many-16m", Op::GetMany, 16),
        ("many-64m", Op::GetMany, 64),
        ("many-256m", Op::GetMany, 256),
    ] {
        if options.wants(name) {
            let mut row = Row { name, figures };
            rows::hit(options, &subjects, &mut row, op, mib << 20)?;
        }
    }
    if options.wants("zipf") {
        let name = "zipf";
        rows::zipf(options, &subjects, &mut Row { name, figures })?;
    }
    if options.wants("zipf-real-64m") {
        let name = "zipf-real-64m";
        rows::zipf_real(options, &subjects, &mut Row { name, figures })?;
    }
    if options.wants("evict") || options.wants("creep") {
        rows::evict_and_creep(options, &subjects, figures)?;
    }
    if options.wants("block-linked") {
        let name = "block-linked";
        block::linked(options, &subjects, &mut Row { name, figures })?;
    }
    if options.wants("worst-case") {
        let name = "worst-case";
        worst::random(options, &subjects, &mut Row { name, figures })?;
    }
    if options.wants("worst-case-chosen") {
        let name = "worst-case-chosen";
        worst::chosen(options, &subjects, &mut Row { name, figures })?;
    }
    if options.wants("worst-by-size") {
        worst::by_size(options, &subjects, figures)?;
    }
    if let Some(path) = &options.plot {
        sizes::draw(path, &subjects)?;
    }
    Ok(())
}
