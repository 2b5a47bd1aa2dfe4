//! A long chain into a database: what a block costs, and opening, when the state is small and when
//! it is large.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use steadfast_host::{FullDigest, Input, RedbState, Runner, State, state_digest};

use crate::figures::{Figure, Figures, Value, median};
use crate::growing::{Chain, OUTPUTS};
use crate::{guests, inputs, process};

/// How long the chain gets.
#[derive(clap::Args)]
pub struct Options {
    /// Keys that the state has at the end.
    #[arg(long, default_value_t = 20_000_000)]
    keys: u64,
    /// Blocks in which it gets there.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    blocks: u32,
    /// Spent outputs for each hundred that are made.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(..100))]
    spends: u32,
    /// Keeps the state in this database, which must be a new one; without it, in a temporary
    /// directory.
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
}

/// Keys at which a row is measured, besides the end.
const MILESTONES: [u64; 4] = [0, 1_000_000, 5_000_000, 10_000_000];

/// Blocks that a row is the median of, and how often the database is opened for it.
const BLOCKS: usize = 25;
const OPENINGS: usize = 5;

/// Nanoseconds in a millisecond.
const MS: f64 = 1e6;

/// What one block took: nanoseconds, and what the store read and wrote.
#[derive(Clone, Copy)]
struct Cost {
    whole: f64,
    cpu: f64,
    guest: f64,
    write: f64,
    reads: f64,
    written: f64,
}

/// Indexes the chain.
///
/// # Errors
/// When a block fails, or the digest that is kept is not that of the state.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = inputs::new_database(options.db.as_deref(), directory.path())?;
    let runner = guests::runner("indexer_metashrew.wasm")?;
    let net = u64::from(OUTPUTS) - u64::from(options.spends);
    let transactions = options.keys.div_ceil(u64::from(options.blocks) * 2 * net);
    let transactions = u32::try_from(transactions).context("too many keys for so few blocks")?;
    let mut rows: Vec<u64> = MILESTONES
        .into_iter()
        .filter(|&row| row < options.keys)
        .collect();
    rows.push(options.keys);
    rows.reverse();

    let mut bench = Bench {
        runner,
        chain: Chain::new(),
        path,
        figures,
    };
    let bar = ProgressBar::new(options.keys);
    let style = ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} keys {eta}");
    bar.set_style(style.expect("the template is well-formed"));
    bench.measure_row("empty", &[])?;
    rows.pop_if(|row| *row == 0);
    let mut state = RedbState::open(&bench.path)?;
    let mut costs = Vec::new();
    while let Some(&row) = rows.last() {
        let block = bench.chain.next_block(transactions, options.spends);
        costs.push(bench.index(&block, &mut state)?);
        bar.set_position(bench.chain.keys());
        if bench.chain.keys() >= row {
            rows.pop();
            drop(state);
            let last = costs.len().saturating_sub(BLOCKS);
            bench.measure_row(&millions(row), &costs[last..])?;
            state = RedbState::open(&bench.path)?;
        }
    }
    bar.finish_and_clear();
    let full = FullDigest::of(&*state.snapshot()?)?;
    ensure!(
        full.state == state_digest(&state)?,
        "the digest that is kept is not the state's"
    );
    ensure!(
        full.pairs == bench.chain.keys(),
        "the state has {} keys",
        full.pairs
    );
    Ok(())
}

fn millions(keys: u64) -> String {
    format!("keys-{}m", keys as f64 / 1e6)
}

struct Bench<'a> {
    runner: Runner,
    chain: Chain,
    path: PathBuf,
    figures: &'a mut Figures,
}

impl Bench<'_> {
    fn index(&self, block: &[u8], state: &mut RedbState) -> Result<Cost> {
        let height = self.chain.height();
        let (cpu, reads, written) = (
            process::cpu_ns(),
            process::io("syscr")?,
            process::io("wchar")?,
        );
        let begun = Instant::now();
        let finished = self.runner.start(&Input::new(height, block), state)?;
        let writing = Instant::now();
        let report = finished.commit(state);
        let report = report.with_context(|| format!("block {height}"))?;
        Ok(Cost {
            whole: begun.elapsed().as_nanos() as f64,
            cpu: process::cpu_ns() - cpu,
            guest: report.guest_ns as f64,
            write: writing.elapsed().as_nanos() as f64,
            reads: process::io("syscr")? - reads,
            written: process::io("wchar")? - written,
        })
    }

    /// What opening and one tiny block take now, and what the blocks before took.
    fn measure_row(&mut self, row: &str, costs: &[Cost]) -> Result<()> {
        let (mut opening, mut reading) = (Vec::new(), Vec::new());
        let (mut tiny, mut tiny_cpu) = (Vec::new(), Vec::new());
        for _ in 0..OPENINGS {
            let block = self.chain.next_block(0, 0);
            let (cpu, begun) = (process::cpu_ns(), Instant::now());
            let mut state = RedbState::open(&self.path)?;
            opening.push(begun.elapsed().as_nanos() as f64);
            self.index(&block, &mut state)?;
            drop(state);
            tiny.push(begun.elapsed().as_nanos() as f64);
            tiny_cpu.push(process::cpu_ns() - cpu);
            let begun = Instant::now();
            state_digest(&RedbState::open_read_only(&self.path)?)?;
            reading.push(begun.elapsed().as_nanos() as f64);
        }
        self.push(row, "keys", self.chain.keys() as f64, "");
        if !costs.is_empty() {
            let of =
                |part: fn(&Cost) -> f64| median(&mut costs.iter().map(part).collect::<Vec<_>>());
            self.push(row, "block_ms", of(|cost| cost.whole) / MS, "ms");
            self.push(row, "cpu_ms", of(|cost| cost.cpu) / MS, "ms");
            self.push(row, "guest_ms", of(|cost| cost.guest) / MS, "ms");
            self.push(row, "write_ms", of(|cost| cost.write) / MS, "ms");
            self.push(row, "page_reads", of(|cost| cost.reads), "");
            self.push(row, "written_bytes", of(|cost| cost.written), "B");
        }
        self.push(row, "open_ms", median(&mut opening) / MS, "ms");
        self.push(row, "read_only_ms", median(&mut reading) / MS, "ms");
        self.push(row, "tiny_ms", median(&mut tiny) / MS, "ms");
        self.push(row, "tiny_cpu_ms", median(&mut tiny_cpu) / MS, "ms");
        self.push(row, "anon_bytes", process::bytes("status", "RssAnon")?, "B");
        self.push(row, "peak_bytes", process::bytes("status", "VmHWM")?, "B");
        let bytes = file_bytes(&self.path)?;
        self.push(row, "db_bytes", bytes, "B");
        Ok(())
    }

    fn push(&mut self, row: &str, metric: &'static str, value: f64, unit: &'static str) {
        eprintln!("{row} {metric} {value} {unit}");
        self.figures.push(Figure {
            bench: "chain",
            row: row.to_owned(),
            subject: "steadfast".to_owned(),
            metric,
            value: Value::Number(value),
            unit,
        });
    }
}

fn file_bytes(path: &Path) -> Result<f64> {
    Ok(path.metadata()?.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::{Options, measure};
    use crate::figures::Figures;

    #[test]
    fn a_short_chain_is_indexed_and_its_rows_are_told() {
        let mut figures = Figures::default();
        let options = Options {
            keys: 4_000,
            blocks: 10,
            spends: 20,
            db: None,
        };
        measure(&options, &mut figures).unwrap();
        for metric in ["block_ms", "open_ms", "tiny_ms", "anon_bytes"] {
            assert!(figures.number("keys-0.004m", "steadfast", metric) > Some(0.0));
        }
    }
}
