//! What handing the cache from one instance to the next costs, at regions of every size.

mod layered;
mod subject;

use anyhow::{Context as _, Result, ensure};
use indicatif::ProgressBar;
use steadfast_host::{HeldRegion, Input, RunConfig, Runner};

use self::layered::Layered;
use self::subject::{Block, Subject, Way};
use crate::figures::{Figure, Figures, Value, median};
use crate::growing::{Chain, OUTPUTS};
use crate::replay::Replays;
use crate::{guests, inputs};

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Sizes of the region, in MiB. Each is filled before anything is measured.
    #[arg(long, num_args = 1.., default_values_t = [1, 64, 330, 1024], value_name = "MIB")]
    sizes: Vec<u32>,
    /// Blocks indexed for each row.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(3..))]
    blocks: u32,
    /// Outputs that a growing block adds.
    #[arg(long, default_value_t = 60_000)]
    outputs: u32,
}

/// Blocks that only add outputs.
struct Growing {
    chain: Chain,
    transactions: u32,
}

impl Growing {
    fn next_block(&mut self) -> Input {
        let block = self.chain.next_block(self.transactions, 0);
        Input::new(self.chain.height(), &block)
    }
}

/// The share of the region that entries fill before it is called full.
const FULL: f64 = 0.95;

/// Measures every size, with replays of a real block and with growing blocks.
///
/// # Errors
/// When a block fails, or the subjects do not come to the same state.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let runner = guests::runner("indexer_metashrew.wasm")?;
    for &mebibytes in &options.sizes {
        let config = RunConfig {
            cache: Some(mebibytes << 20),
            ..runner.config().clone()
        };
        let runner = runner.with_config(config)?;
        let mut growing = Growing {
            chain: Chain::new(),
            transactions: options.outputs / OUTPUTS,
        };
        let mut filled = Filled::new(&runner, &mut growing)
            .with_context(|| format!("filling a region of {mebibytes} MiB"))?;
        let mut replays = Replays::new(inputs::mainnet_702861())?;
        let first = filled.height + 1;
        let real =
            (first..first + options.blocks).map(|height| Input::new(height, &replays.next_block()));
        let row = format!("real-{mebibytes}m");
        compare(&row, &runner, &mut filled, real.collect(), figures)?;
        let grown = (0..options.blocks).map(|_| growing.next_block());
        let row = format!("growing-{mebibytes}m");
        compare(&row, &runner, &mut filled, grown.collect(), figures)?;
    }
    Ok(())
}

/// A state, and a region that holds as much of it as it can.
struct Filled {
    state: Layered,
    region: HeldRegion,
    height: u32,
}

impl Filled {
    fn new(runner: &Runner, growing: &mut Growing) -> Result<Filled> {
        let mut state = Layered::default();
        let mut held = None;
        let bar = ProgressBar::new_spinner();
        loop {
            let input = growing.next_block();
            let finished = runner.start_held(&input, &state, held.take())?;
            let (_, left) = finished.commit_and_hold(&mut state)?;
            let region = left?;
            let info = region.info();
            bar.set_message(format!("{} of {} bytes", info.frontier, info.limit));
            bar.tick();
            if f64::from(info.frontier) >= FULL * f64::from(info.limit) {
                let height = input.height();
                let state = state.frozen();
                return Ok(Filled {
                    state,
                    region,
                    height,
                });
            }
            held = Some(region);
        }
    }
}

fn compare(
    row: &str,
    runner: &Runner,
    filled: &mut Filled,
    inputs: Vec<Input>,
    figures: &mut Figures,
) -> Result<()> {
    let image = filled.region.image()?;
    let mut subjects: Vec<Subject> = Way::ALL
        .into_iter()
        .map(|way| Subject::new(way, filled.state.clone(), &image))
        .collect();
    drop(image);
    for (turn, input) in inputs.iter().enumerate() {
        for at in 0..subjects.len() {
            let at = (at + turn) % subjects.len();
            let subject = &mut subjects[at];
            subject
                .index(runner, input)
                .with_context(|| format!("{row}, {}, block {turn}", subject.way.name()))?;
        }
    }
    for subject in &mut subjects {
        subject.end()?;
    }
    ensure!(
        subjects
            .windows(2)
            .all(|pair| pair[0].state == pair[1].state),
        "{row}: the states differ"
    );
    let kept = subjects[0].blocks.clone();
    for subject in subjects {
        let name = subject.way.name();
        let mut push = |metric, of: &dyn Fn(&Block, &Block) -> f64, unit| {
            // The first block is where the image comes in.
            let pairs = subject.blocks.iter().zip(&kept).skip(1);
            let mut values: Vec<f64> = pairs.map(|(own, kept)| of(own, kept)).collect();
            figures.push(Figure {
                bench: "warm",
                row: row.to_owned(),
                subject: name.to_owned(),
                metric,
                value: Value::Number(median(&mut values)),
                unit,
            });
        };
        push("block_ns", &|own, _| own.all_ns, "ns");
        push("guest_ns", &|own, _| own.guest_ns, "ns");
        push("over_kept_ns", &|own, kept| own.all_ns - kept.all_ns, "ns");
        push("hand_over_ns", &|own, _| own.hand_over_ns, "ns");
        push("faults", &|own, _| own.faults, "");
        push("reads", &|own, _| own.reads, "");
    }
    Ok(())
}
