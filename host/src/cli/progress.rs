//! What is told while blocks are indexed: a bar on a terminal, lines of JSON for machines, or
//! nothing.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use steadfast_host::{BlockReport, Digest, ProcessMemory, State, Tip, display_hash, state_digest};

/// The form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A line for each block, with what it took.
    Json,
}

/// Tells of each block.
pub struct Progress {
    bar: ProgressBar,
    form: Option<Form>,
}

/// One block, as a line.
#[derive(Serialize)]
struct Line {
    block: u32,
    hash: Option<String>,
    /// In `_start`.
    guest_ns: u64,
    /// From the block's bytes to the state on disk.
    total_ns: u64,
    fuel: Option<u64>,
    written_pairs: u64,
    memory_bytes: u64,
    state_digest: Digest,
    host: Option<ProcessMemory>,
}

impl Progress {
    pub fn new(form: Option<Form>) -> Self {
        let bar = match form.is_some() || !stderr().is_terminal() {
            true => ProgressBar::hidden(),
            false => {
                let style = ProgressStyle::with_template("{spinner} {pos} blocks {msg} {per_sec}");
                ProgressBar::new_spinner().with_style(style.expect("the template is well-formed"))
            }
        };
        Progress { bar, form }
    }

    /// Whether lines that the module writes would run into the bar.
    pub fn is_drawn(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Writes a line above the bar.
    pub fn line(&self, text: &str) {
        self.bar.println(text);
    }

    pub fn block(
        &self,
        report: &BlockReport,
        tip: Tip,
        state: &dyn State,
        total: Duration,
    ) -> anyhow::Result<()> {
        self.bar.set_message(format!("height {}", tip.height));
        self.bar.inc(1);
        if self.form.is_none() {
            return Ok(());
        }
        let line = Line {
            block: tip.height,
            hash: tip.hash.map(|hash| display_hash(&hash)),
            guest_ns: report.guest_ns,
            total_ns: total.as_nanos() as u64,
            fuel: report.fuel,
            written_pairs: report.written_pairs,
            memory_bytes: report.memory_bytes,
            state_digest: state_digest(state)?,
            host: ProcessMemory::now(),
        };
        super::print_json(&line)
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
