//! Instances of a guest that fills its cache and answers reads of it.

use std::collections::HashSet;
use std::ops::Range;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use steadfast::region::{Status, seal};
use steadfast_host::ceiling::PAGE_BYTES;
use steadfast_host::{Input, MemoryState, RunConfig, Runner, SharedImage, View};

use crate::guests;

/// Bytes that an entry of the guest takes, with its share of the index.
const ENTRY_BYTES: u64 = 166;

/// What to do with a figure: row, subject, metric, value, unit.
pub type Push<'a> = dyn FnMut(&str, &str, &'static str, f64, &'static str) + 'a;

/// The guest, and how often each figure is measured.
pub struct Bench {
    runner: Runner,
    state: MemoryState,
    pub runs: usize,
}

/// An image of a filled cache.
pub struct Filled {
    pub address: u32,
    pub bytes: Vec<u8>,
    /// Where something stands in them.
    pub parts: [Range<usize>; 2],
    pub shared: SharedImage,
    pub entries: u64,
    /// The numbers of those that the cache has not kept.
    pub missing: HashSet<u64>,
}

/// A request's time, and its instance.
pub type Timed = (f64, View);

impl Bench {
    /// The guest, compiled.
    ///
    /// # Errors
    /// When it is missing.
    pub fn new(runs: usize) -> Result<Bench> {
        Ok(Bench {
            runner: guests::runner("bench/metashrew-image.wasm")?,
            state: MemoryState::default(),
            runs: runs.max(1),
        })
    }

    /// Fills a cache until its region's used part has about so many bytes.
    pub fn fill(&self, bytes: u64) -> Result<Filled> {
        let entries = bytes / ENTRY_BYTES;
        let finished = self.runner.start(&question([entries]), &self.state)?;
        let flushed = finished
            .outcome()
            .as_ref()
            .map_err(|error| anyhow!("{error}"))?;
        let numbers = flushed.iter().map(|(number, _)| number.first_chunk());
        let missing: Option<HashSet<u64>> = numbers
            .map(|number| number.map(|bytes| u64::from_le_bytes(*bytes)))
            .collect();
        let missing = missing.context("a flushed key is no number")?;
        let image = finished.image()?;
        let held = u64::from(image.info().stats.entries);
        let gone = missing.len() as u64;
        ensure!(
            held + gone == entries && gone <= entries / 1_000,
            "the cache holds {held} of {entries} entries, and {gone} are not found"
        );
        let mut bytes = image.bytes().to_vec();
        // Both subjects are to read the same way.
        seal(&mut bytes, Status::Shared)?;
        Ok(Filled {
            address: image.address(),
            bytes,
            parts: image
                .info()
                .image_parts()
                .map(|part| part.start as usize..part.end as usize),
            shared: SharedImage::new(&image)?,
            entries,
            missing,
        })
    }

    pub fn open(&self, input: &Input, image: Option<&SharedImage>) -> Result<Timed> {
        let began = Instant::now();
        let view = self.runner.open_view(input, &self.state, image)?;
        Ok((began.elapsed().as_nanos() as f64, view))
    }

    /// As a host does that cannot map: grows the memory and copies.
    pub fn copy(&self, input: &Input, filled: &Filled) -> Result<Timed> {
        let pages = filled.shared.memory_needed() / PAGE_BYTES;
        let config = RunConfig {
            pregrow: Some(pages),
            ..self.runner.config().clone()
        };
        let runner = self.runner.with_config(config)?;
        let began = Instant::now();
        let mut view = runner.open_view(input, &self.state, None)?;
        let memory = &mut view.memory_mut()[filled.address as usize..];
        for part in &filled.parts {
            memory[part.clone()].copy_from_slice(&filled.bytes[part.clone()]);
        }
        Ok((began.elapsed().as_nanos() as f64, view))
    }
}

/// Numbers, as the guest reads them.
pub fn question<const N: usize>(numbers: [u64; N]) -> Input {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
    Input::new(1, &bytes)
}

/// Reads of entries at random, and what they must find.
pub struct Reads {
    numbers: [u64; 3],
    hits: u64,
    sum: u64,
}

impl Reads {
    /// The same numbers as the guest draws.
    pub fn new(reads: u64, filled: &Filled, seed: u64) -> Self {
        let entries = filled.entries;
        let (mut next, mut hits, mut sum) = (seed, 0u64, 0u64);
        for _ in 0..reads {
            next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = ((u128::from(next) * u128::from(entries)) >> 64) as u64;
            if !filled.missing.contains(&number) {
                hits += 1;
                sum = sum.wrapping_add(2 * number);
            }
        }
        Reads {
            numbers: [reads, entries, seed],
            hits,
            sum,
        }
    }

    pub fn input(&self) -> Input {
        question(self.numbers)
    }

    /// Has an instance that was opened for it read; answers the time.
    pub fn run(&self, view: &mut View) -> Result<f64> {
        let began = Instant::now();
        let answer = view.call("read")?;
        let ns = began.elapsed().as_nanos() as f64;
        let expected = [self.hits.to_le_bytes(), self.sum.to_le_bytes()].concat();
        ensure!(
            answer == expected,
            "the instance found {answer:?} instead of {expected:?}"
        );
        Ok(ns)
    }
}
