//! What images of a cache cost, and what they save.

mod attach;
mod blocks;
mod shared;
mod surface;
mod view;

use std::path::PathBuf;

use anyhow::Result;

use crate::figures::{Figure, Figures, Value};

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// The rows to measure, by the beginnings of their names; all of them without any.
    #[arg(long, num_args = 1.., value_name = "ROW")]
    rows: Vec<String>,
    /// Instances made for each figure.
    #[arg(long, default_value_t = 101)]
    runs: usize,
    /// Blocks indexed for the rows about blocks.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    blocks: u32,
    /// Seconds for which the row about many views answers them.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// The blocks that are replayed there, in turn; mainnet block 702,861 without any.
    #[arg(long, num_args = 1.., value_name = "FILE")]
    input: Vec<PathBuf>,
}

impl Options {
    fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|wanted| row.starts_with(wanted))
    }
}

/// Measures every row that is wanted.
///
/// # Errors
/// When a guest is missing or fails, or reads something else than it should.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let mut push = |row: &str, subject: &str, metric, value, unit| {
        figures.push(Figure {
            bench: "images",
            row: row.to_owned(),
            subject: subject.to_owned(),
            metric,
            value: Value::Number(value),
            unit,
        });
    };
    let bench = view::Bench::new(options.runs)?;
    // First, while this process has little memory of its own.
    shared::measure(options, &bench, &mut push)?;
    attach::measure(options, &bench, &mut push)?;
    surface::measure(options, &mut push)?;
    blocks::measure(options, &mut push)
}
