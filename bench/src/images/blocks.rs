//! A fresh instance for each block, as metashrew has them: with the cache cold each time, and with
//! the one that the block before left.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use indicatif::ProgressBar;
use steadfast_host::{Input, MemoryState, RedbState, RegionImage, Runner, State, state_digest};

use super::Options;
use super::view::Push;
use crate::figures::median;
use crate::replay::Replays;
use crate::{guests, inputs};

/// One of the runs beside each other.
struct Subject {
    row: &'static str,
    name: &'static str,
    state: Box<dyn State>,
    /// The cache that the last block left, where it is kept.
    image: Option<RegionImage>,
    keeps: bool,
    block_ns: Vec<f64>,
    guest_ns: Vec<f64>,
    image_ns: Vec<f64>,
    reads: u64,
}

impl Subject {
    fn new(row: &'static str, keeps: bool, state: Box<dyn State>) -> Subject {
        Subject {
            row,
            name: if keeps { "warm" } else { "cold" },
            state,
            image: None,
            keeps,
            block_ns: Vec::new(),
            guest_ns: Vec::new(),
            image_ns: Vec::new(),
            reads: 0,
        }
    }

    /// Indexes one block: all of it is timed, the image's restoring and capturing apart as well.
    fn index(&mut self, runner: &Runner, input: &Input) -> Result<()> {
        let began = Instant::now();
        let finished = runner.start_warm(input, &*self.state, self.image.as_ref())?;
        let captured = Instant::now();
        let image = self.keeps.then(|| finished.image()).transpose()?;
        let image_ns = captured.elapsed().as_nanos() as f64;
        let report = finished.commit(&mut *self.state)?;
        self.block_ns.push(began.elapsed().as_nanos() as f64);
        self.image_ns.push(image_ns);
        self.guest_ns.push(report.guest_ns as f64);
        self.reads += report.imports.get_lens;
        self.image = image;
        Ok(())
    }

    fn tell(mut self, blocks: f64, push: &mut Push<'_>) {
        let (row, name) = (self.row, self.name);
        push(row, name, "block_ns", median(&mut self.block_ns), "ns");
        push(row, name, "guest_ns", median(&mut self.guest_ns), "ns");
        push(row, name, "reads_per_block", self.reads as f64 / blocks, "");
        if let Some(image) = &self.image {
            push(row, name, "capture_ns", median(&mut self.image_ns), "ns");
            let parts = image.info().image_parts().into_iter();
            let bytes: u32 = parts.map(|part| part.end - part.start).sum();
            push(row, name, "image_bytes", f64::from(bytes), "B");
        }
    }
}

/// Indexes replays of the blocks into four states at once: cold and warm, in memory and in a
/// database.
///
/// # Errors
/// When a block fails, or the states differ.
pub fn measure(options: &Options, push: &mut Push<'_>) -> Result<()> {
    if !options.wants("blocks") {
        return Ok(());
    }
    let runner = guests::runner("indexer_metashrew.wasm")?;
    let blocks = inputs::read(&options.input)?;
    let replays = blocks
        .iter()
        .map(|block| Replays::new(inputs::block(block)));
    let mut replays = replays.collect::<Result<Vec<_>>>()?;
    let directory = tempfile::tempdir()?;
    let mut subjects = Vec::new();
    for keeps in [false, true] {
        let database = RedbState::open(directory.path().join(if keeps { "warm" } else { "cold" }))?;
        subjects.push(Subject::new(
            "blocks-memory",
            keeps,
            Box::new(MemoryState::default()),
        ));
        subjects.push(Subject::new("blocks-redb", keeps, Box::new(database)));
    }
    let bar = ProgressBar::new(options.blocks.into());
    for height in 1..=options.blocks {
        let turn = height as usize % replays.len();
        let input = Input::new(height, &replays[turn].next_block());
        for subject in &mut subjects {
            let indexed = subject.index(&runner, &input);
            indexed.with_context(|| format!("block {height}, {} {}", subject.row, subject.name))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let digests = subjects.iter().map(|subject| state_digest(&*subject.state));
    let digests = digests.collect::<Result<Vec<_>, _>>()?;
    ensure!(
        digests.windows(2).all(|pair| pair[0] == pair[1]),
        "the states differ: {digests:?}"
    );
    subjects.sort_by_key(|subject| subject.row);
    for subject in subjects {
        subject.tell(f64::from(options.blocks), push);
    }
    Ok(())
}
