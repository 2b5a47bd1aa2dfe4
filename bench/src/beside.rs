//! Views beside the indexer: what they take while blocks go on, and what a block takes beside them.

mod timed;

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use steadfast_host::{Input, RedbState, RunConfig, Runner, SharedCache};

use self::timed::Timed;
use crate::figures::{Figure, Figures, Value, median};
use crate::growing::{Chain, OUTPUTS};
use crate::replay::Replays;
use crate::warm::fill;
use crate::{guests, inputs, process};

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// The size of the region, in MiB. It is filled before anything is measured.
    #[arg(long, default_value_t = 1024, value_name = "MIB")]
    size: u32,
    /// Threads that answer views.
    #[arg(long, default_value_t = 2)]
    threads: u32,
    /// How long views are answered without an indexer, and again beside one.
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    seconds: u64,
    /// From the beginning of one block to that of the next; 0 goes on at once.
    #[arg(long, default_value_t = 1000, value_name = "MILLISECONDS")]
    period: u64,
}

/// Outputs that are asked for by turns.
const QUESTIONS: usize = 10_000;

/// Outputs of each block that fills the region.
const FILLING_OUTPUTS: u32 = 60_000;

struct Node {
    state: Timed,
    cache: Option<SharedCache>,
    height: u32,
}

/// An outpoint, and the output that stands there whatever the blocks do.
type Question = (Vec<u8>, Vec<u8>);

/// Fills a cache, then answers views without an indexer and beside one.
///
/// # Errors
/// When a block fails, or a view answers something else than it should.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let runner = guests::runner("indexer_metashrew.wasm")?;
    let config = RunConfig {
        cache: Some(options.size << 20),
        ..runner.config().clone()
    };
    let runner = runner.with_config(config)?;
    let mut replays = Replays::new(inputs::mainnet_702861())?;
    let directory = tempfile::tempdir()?;
    let mut state = Timed::new(RedbState::open(directory.path().join("state"))?);
    let mut chain = Chain::new();
    let region = fill(|held| {
        let block = chain.next_block(FILLING_OUTPUTS / OUTPUTS, 0);
        let input = Input::new(chain.height(), &block);
        let finished = runner.start_held(&input, &state, held)?;
        Ok((finished.commit_and_hold(&mut state)?.1?, true))
    })?;
    let height = chain.height();
    let questions = state.sample(b'o', QUESTIONS)?;
    let height = height + 1;
    let input = Input::new(height, &replays.next_block());
    let mut cache = None;
    let began = Instant::now();
    let finished = runner.start_held(&input, &state, Some(region))?;
    finished.commit_and_share(&mut state, &mut cache)?.1?;
    let first_ns = began.elapsed().as_nanos() as f64;
    let node = RwLock::new(Node {
        state,
        cache,
        height,
    });
    let bench = Bench {
        options,
        runner: &runner,
        questions: &questions,
        node: &node,
    };
    let mut push = |subject: &str, metric, value, unit| {
        figures.push(Figure {
            bench: "beside",
            row: format!("{}m", options.size),
            subject: subject.to_owned(),
            metric,
            value: Value::Number(value),
            unit,
        });
    };
    push("first-block", "block_ns", first_ns, "ns");
    let alone = bench.answer(|_| Ok(()))?;
    let mut blocks = Vec::new();
    let beside = bench.answer(|done| {
        let period = Duration::from_millis(options.period);
        while !done.load(Ordering::Relaxed) {
            let began = Instant::now();
            blocks.push(bench.index(&replays.next_block())?);
            thread::sleep(period.saturating_sub(began.elapsed()));
        }
        Ok(())
    })?;
    for (subject, views) in [("alone", &alone), ("beside", &beside)] {
        push(subject, "answers_per_s", views.per_second, "/s");
        push(subject, "answer_cpu_ns", views.cpu_ns, "ns");
    }
    push(
        "beside",
        "rate_ratio",
        beside.per_second / alone.per_second,
        "",
    );
    push("beside", "cpu_ratio", beside.cpu_ns / alone.cpu_ns, "");
    push("block", "blocks", blocks.len() as f64, "");
    let of: [Metric; 5] = [
        ("guest_ns", |block| block.guest_ns, "ns"),
        ("commit_ns", |block| block.commit_ns, "ns"),
        ("take_up_ns", |block| block.take_up_ns, "ns"),
        ("commit_cpu_ns", |block| block.commit_cpu_ns, "ns"),
        ("pages", |block| block.pages, ""),
    ];
    for (metric, of, unit) in of {
        let mut values: Vec<f64> = blocks.iter().map(of).collect();
        push("block", metric, median(&mut values), unit);
    }
    Ok(())
}

struct Bench<'a> {
    options: &'a Options,
    runner: &'a Runner,
    questions: &'a [Question],
    node: &'a RwLock<Node>,
}

/// What one block took: its guest, the commit as a view waits for it, of that all but the state's
/// write, and the commit's time of the processor.
struct Block {
    guest_ns: f64,
    commit_ns: f64,
    take_up_ns: f64,
    commit_cpu_ns: f64,
    pages: f64,
}

/// A figure's name, how a block has it, and its unit.
type Metric = (&'static str, fn(&Block) -> f64, &'static str);

struct Views {
    per_second: f64,
    /// Time of the processor for each answer.
    cpu_ns: f64,
}

impl Bench<'_> {
    /// Answers views for a while, beside what `writer` does until it is told that they are done.
    fn answer(&self, writer: impl FnOnce(&AtomicBool) -> Result<()> + Send) -> Result<Views> {
        let done = AtomicBool::new(false);
        let began = Instant::now();
        let (answers, cpu_ns) = thread::scope(|scope| {
            let threads = (0..self.options.threads).map(|number| {
                let done = &done;
                scope.spawn(move || self.ask(number as usize, done))
            });
            let threads: Vec<_> = threads.collect();
            let writing = scope.spawn(|| writer(&done));
            thread::sleep(Duration::from_secs(self.options.seconds));
            done.store(true, Ordering::Relaxed);
            writing
                .join()
                .map_err(|_| anyhow!("the indexer panicked"))??;
            let mut sum = (0.0, 0.0);
            for thread in threads {
                let (answers, cpu_ns) = thread.join().map_err(|_| anyhow!("a view panicked"))??;
                sum = (sum.0 + answers, sum.1 + cpu_ns);
            }
            anyhow::Ok(sum)
        })?;
        Ok(Views {
            per_second: answers / began.elapsed().as_secs_f64(),
            cpu_ns: cpu_ns / answers,
        })
    }

    fn ask(&self, first: usize, done: &AtomicBool) -> Result<(f64, f64)> {
        let before = process::thread_cpu_ns();
        let mut answers = 0.0;
        for (outpoint, output) in self.questions.iter().cycle().skip(first * 997) {
            if done.load(Ordering::Relaxed) {
                break;
            }
            let mut view = {
                let node = self
                    .node
                    .read()
                    .map_err(|_| anyhow!("the indexer panicked"))?;
                let question = Input::new(node.height, outpoint);
                self.runner
                    .open_view_of(&question, &node.state, node.cache.as_ref())?
            };
            ensure!(
                view.call("output")? == *output,
                "a view answered something else"
            );
            answers += 1.0;
        }
        Ok((answers, process::thread_cpu_ns() - before))
    }

    fn index(&self, block: &[u8]) -> Result<Block> {
        let finished = {
            let node = self.node.read().map_err(|_| anyhow!("a view panicked"))?;
            let input = Input::new(node.height + 1, block);
            self.runner
                .start_shared(&input, &node.state, node.cache.as_ref())?
                .succeeded()?
        };
        let mut node = self.node.write().map_err(|_| anyhow!("a view panicked"))?;
        let Node {
            state,
            cache,
            height,
        } = &mut *node;
        state.take_ns();
        let (began, cpu) = (Instant::now(), process::thread_cpu_ns());
        let (report, left) = finished.commit_and_share(state, cache)?;
        let commit_ns = began.elapsed().as_nanos() as f64;
        let cpu_ns = process::thread_cpu_ns() - cpu;
        left?;
        *height += 1;
        let write_ns = state.take_ns();
        let cache = cache.as_ref().context("there is a cache")?;
        Ok(Block {
            guest_ns: report.guest_ns as f64,
            commit_ns,
            take_up_ns: commit_ns - write_ns,
            commit_cpu_ns: cpu_ns,
            pages: cache.pages_taken_up() as f64,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Options, measure};
    use crate::figures::Figures;

    #[test]
    fn views_and_blocks_go_on_beside_each_other() {
        let options = Options {
            size: 8,
            threads: 2,
            seconds: 2,
            period: 0,
        };
        let mut figures = Figures::default();
        measure(&options, &mut figures).unwrap();
        let of = |subject, metric| figures.number("8m", subject, metric).unwrap();
        assert!(of("beside", "answers_per_s") > 0.0);
        assert!(of("block", "blocks") > 0.0);
        assert!(of("block", "pages") > 0.0);
    }
}
