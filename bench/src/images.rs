//! What images of a cache cost, and what they save.

mod shared;

use anyhow::Result;

use crate::figures::Figures;

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// The rows to measure, by the beginnings of their names; all of them without any.
    #[arg(long, num_args = 1.., value_name = "ROW")]
    rows: Vec<String>,
    /// Instances made for each figure.
    #[arg(long, default_value_t = 101)]
    runs: usize,
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
    shared::measure(options, figures)
}
