//! What handing the cache from one instance to the next costs: regions of every size, over a large
//! state.

mod shared;
mod subject;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use steadfast_host::{HeldRegion, Input, RedbState, RunConfig, Runner};

use self::shared::Shared;
use self::subject::{Block, Subject, Way};
use crate::figures::{Figure, Figures, Value, median};
use crate::growing::{Chain, OUTPUTS};
use crate::replay::Replays;
use crate::{guests, inputs, process};

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Sizes of the region, in MiB, from the largest on. Each is filled before it is measured.
    #[arg(long, num_args = 1.., default_values_t = [1024, 330, 64, 1], value_name = "MIB")]
    sizes: Vec<u32>,
    /// Keys that the state has at least.
    #[arg(long, default_value_t = 10_000_000)]
    keys: u64,
    /// Blocks indexed for each row.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..))]
    blocks: u32,
    /// Outputs that a growing block adds.
    #[arg(long, default_value_t = 60_000)]
    outputs: u32,
    /// Keeps the state in this new database; without it, in a temporary directory.
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
}

/// Blocks at heights that follow each other: replays of a real one, and such as only add outputs.
struct Blocks {
    height: u32,
    replays: Replays,
    chain: Chain,
    transactions: u32,
}

impl Blocks {
    fn real(&mut self) -> Input {
        self.height += 1;
        Input::new(self.height, &self.replays.next_block())
    }

    fn growing(&mut self) -> Input {
        self.height += 1;
        Input::new(self.height, &self.chain.next_block(self.transactions, 0))
    }
}

/// The share of the region that entries fill before it is called full.
const FULL: f64 = 0.95;

/// Measures every size, with replays of a real block and with growing blocks.
///
/// # Errors
/// When a block fails, or the subjects do not write the same.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let runner = guests::runner("indexer_metashrew.wasm")?;
    let directory = tempfile::tempdir()?;
    let path = inputs::new_database(options.db.as_deref(), directory.path())?;
    let mut bench = Bench {
        state: Shared::new(RedbState::open(&path)?),
        blocks: Blocks {
            height: 0,
            replays: Replays::new(inputs::mainnet_702861())?,
            chain: Chain::new(),
            transactions: options.outputs / OUTPUTS,
        },
        figures,
    };
    for &mebibytes in &options.sizes {
        let config = RunConfig {
            cache: Some(mebibytes << 20),
            ..runner.config().clone()
        };
        let runner = runner.with_config(config)?;
        let region = bench.fill(&runner, options.keys)?;
        let row = format!("filled-{mebibytes}m");
        let keys = bench.blocks.chain.keys() as f64;
        let resident = process::bytes("status", "VmRSS")?;
        bench.push(&row, Way::Moved, "keys", keys, "");
        bench.push(&row, Way::Moved, "rss_bytes", resident, "B");
        let real = (0..options.blocks).map(|_| bench.blocks.real()).collect();
        let region = bench.compare(&format!("real-{mebibytes}m"), &runner, region, real)?;
        let growing = (0..options.blocks)
            .map(|_| bench.blocks.growing())
            .collect();
        bench.compare(&format!("growing-{mebibytes}m"), &runner, region, growing)?;
    }
    Ok(())
}

/// Indexes blocks until the region is full and `index`, which is given the region and leaves the
/// next one, says that the state is large enough.
pub fn fill(
    mut index: impl FnMut(Option<HeldRegion>) -> Result<(HeldRegion, bool)>,
) -> Result<HeldRegion> {
    let mut held = None;
    let bar = ProgressBar::new_spinner();
    loop {
        let (region, is_enough) = index(held.take()).context("filling the region")?;
        let info = region.info();
        bar.set_message(format!("{} of {} bytes", info.frontier, info.limit));
        bar.tick();
        if is_enough && f64::from(info.frontier) >= FULL * f64::from(info.limit) {
            return Ok(region);
        }
        held = Some(region);
    }
}

struct Bench<'a> {
    state: Shared,
    blocks: Blocks,
    figures: &'a mut Figures,
}

impl Bench<'_> {
    /// Indexes growing blocks until the region is full and the state has so many keys.
    fn fill(&mut self, runner: &Runner, keys: u64) -> Result<HeldRegion> {
        fill(|held| {
            let input = self.blocks.growing();
            let finished = runner.start_held(&input, &self.state, held)?;
            let (_, left) = finished.commit_and_hold(&mut self.state)?;
            self.state.commit()?;
            Ok((left?, self.blocks.chain.keys() >= keys))
        })
    }

    /// Has every subject index the blocks, beginning with the region. Returns the one that is left.
    fn compare(
        &mut self,
        row: &str,
        runner: &Runner,
        region: HeldRegion,
        inputs: Vec<Input>,
    ) -> Result<HeldRegion> {
        let image = region.image()?;
        drop(region);
        let mut subjects: Vec<Subject> = Way::ALL
            .into_iter()
            .map(|way| Subject::new(way, self.state.clone(), &image))
            .collect();
        drop(image);
        let mut writes = Vec::new();
        for (turn, input) in inputs.iter().enumerate() {
            for at in 0..subjects.len() {
                let at = (at + turn) % subjects.len();
                let subject = &mut subjects[at];
                subject
                    .index(runner, input)
                    .with_context(|| format!("{row}, {}, block {turn}", subject.way.name()))?;
            }
            writes.push(self.state.commit()?);
        }
        let kept = subjects[0].blocks.clone();
        let mut region = None;
        for mut subject in subjects {
            region = region.or(subject.end()?);
            let mut push = |metric, unit, of: &dyn Fn(usize, &Block) -> f64| {
                // The first block is where the image comes in.
                let blocks = subject.blocks.iter().enumerate().skip(1);
                let mut values: Vec<f64> = blocks.map(|(turn, block)| of(turn, block)).collect();
                self.push(row, subject.way, metric, median(&mut values), unit);
            };
            push("block_ns", "ns", &|turn, block| {
                block.index_ns + writes[turn]
            });
            push("guest_ns", "ns", &|_, block| block.guest_ns);
            push("hand_over_ns", "ns", &|_, block| block.hand_over_ns);
            push("cpu_ns", "ns", &|_, block| block.cpu_ns);
            push("over_kept_ns", "ns", &|turn, block| {
                block.index_ns - kept[turn].index_ns
            });
            push("over_kept_cpu_ns", "ns", &|turn, block| {
                block.cpu_ns - kept[turn].cpu_ns
            });
            push("faults", "", &|_, block| block.faults);
            push("reads", "", &|_, block| block.reads);
        }
        self.state.check().with_context(|| row.to_owned())?;
        region.context("no subject left a region")
    }

    fn push(&mut self, row: &str, way: Way, metric: &'static str, value: f64, unit: &'static str) {
        eprintln!("{row} {} {metric} {value} {unit}", way.name());
        self.figures.push(Figure {
            bench: "warm",
            row: row.to_owned(),
            subject: way.name().to_owned(),
            metric,
            value: Value::Number(value),
            unit,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, measure};
    use crate::figures::Figures;

    #[test]
    fn all_ways_write_the_same_and_a_cold_one_reads_more() {
        let mut figures = Figures::default();
        let options = Options {
            sizes: vec![1],
            keys: 20_000,
            blocks: 3,
            outputs: 2_000,
            db: None,
        };
        measure(&options, &mut figures).unwrap();
        let reads = |way| figures.number("real-1m", way, "reads").unwrap();
        assert!(reads("moved") < reads("cold"));
        assert_eq!(reads("moved"), reads("kept"));
        assert_eq!(reads("moved"), reads("copied"));
        assert_eq!(reads("moved"), reads("shared"));
        assert!(figures.number("growing-1m", "moved", "faults") > Some(0.0));
    }
}
