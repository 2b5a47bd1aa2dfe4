//! One image that many instances map, against a copy for each.

use std::collections::HashSet;
use std::hint::black_box;
use std::mem;
use std::ops::Range;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use steadfast::region::{Status, vouch};
use steadfast_host::ceiling::{MAX_CEILING, PAGE_BYTES};
use steadfast_host::{Input, MemoryState, Output, RunConfig, Runner, SharedImage, View};

use super::Options;
use crate::figures::{Figure, Figures, Value, median};
use crate::{guests, process};

const MIB: u64 = 1 << 20;

/// Bytes that an entry of the guest takes, with its share of the index.
const ENTRY_BYTES: u64 = 166;

/// The image that the rows about reading are about.
const READ: (&str, u64) = ("256m", 256 * MIB);

/// The images whose mapping is timed, from the smallest.
const SIZES: [(&str, u64); 4] = [("1m", MIB), ("16m", 16 * MIB), READ, ("1g", 1020 * MIB)];

/// Instances that live at the same time.
const LIVE: u64 = 100;

/// Reads of one request.
const REQUEST_READS: u64 = 100;

/// Reads of one pass over a warm instance, and passes of each subject.
const WARM_READS: u64 = 200_000;
const WARM_PASSES: u64 = 9;

/// Measures every row that is wanted.
///
/// # Errors
/// When a guest is missing or fails, or reads something else than it should.
pub fn measure(options: &Options, figures: &mut Figures) -> Result<()> {
    let module = guests::read("bench/metashrew-image.wasm")?;
    let config = RunConfig {
        ceiling: MAX_CEILING,
        output: Output::Discard,
        ..RunConfig::default()
    };
    let bench = Bench {
        runner: Runner::new(&module, config)?,
        state: MemoryState::default(),
        runs: options.runs.max(1),
    };
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
    let row = |name: &str| format!("{name}-{}", READ.0);
    // First, while this process has little memory of its own.
    if options.wants(&row("live")) {
        bench.live(&row("live"), &mut push)?;
    }
    let mut smallest = None;
    for (size, bytes) in SIZES {
        let name = format!("map-{size}");
        if options.wants(&name) {
            let ns = bench.map(&name, bytes, &mut push)?;
            let smallest = *smallest.get_or_insert(ns);
            push(&name, "shared", "ratio_to_smallest", ns / smallest, "");
        }
    }
    if options.wants(&row("first")) {
        bench.first(&row("first"), &mut push)?;
    }
    if options.wants(&row("warm")) {
        bench.warm(&row("warm"), &mut push)?;
    }
    Ok(())
}

/// What to do with a figure: row, subject, metric, value, unit.
type Push<'a> = dyn FnMut(&str, &str, &'static str, f64, &'static str) + 'a;

struct Bench {
    runner: Runner,
    state: MemoryState,
    runs: usize,
}

/// An image of a filled cache.
struct Filled {
    address: u32,
    bytes: Vec<u8>,
    /// Where something stands in them.
    parts: [Range<usize>; 2],
    shared: SharedImage,
    entries: u64,
    /// The numbers of those that the cache has not kept.
    missing: HashSet<u64>,
}

/// A request's time, and its instance.
type Timed = (f64, View);

impl Bench {
    /// Fills a cache until its region's used part has about so many bytes.
    fn fill(&self, bytes: u64) -> Result<Filled> {
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
        let held = u64::from(image.info().entries);
        let gone = missing.len() as u64;
        ensure!(
            held + gone == entries && gone <= entries / 1_000,
            "the cache holds {held} of {entries} entries, and {gone} are not found"
        );
        let mut bytes = image.bytes().to_vec();
        // Both subjects are to read the same way.
        vouch(&mut bytes, Status::Shared)?;
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

    fn open(&self, input: &Input, image: Option<&SharedImage>) -> Result<Timed> {
        let began = Instant::now();
        let view = self.runner.open_view(input, &self.state, image)?;
        Ok((began.elapsed().as_nanos() as f64, view))
    }

    /// As a host does that cannot map: grows the memory and copies.
    fn copy(&self, input: &Input, filled: &Filled) -> Result<Timed> {
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

    /// To have an instance with the image; answers the median.
    fn map(&self, row: &str, bytes: u64, push: &mut Push<'_>) -> Result<f64> {
        let filled = self.fill(bytes)?;
        let input = question([0]);
        let (mut shared, mut plain, mut copied) = (Vec::new(), Vec::new(), Vec::new());
        // The first run warms up.
        for run in 0..=self.runs {
            let (ns, view) = self.open(&input, Some(&filled.shared))?;
            let found = &view.memory()[filled.address as usize..][..filled.bytes.len()];
            ensure!(found.first_chunk::<64>() == filled.bytes.first_chunk());
            ensure!(found.last_chunk::<64>() == filled.bytes.last_chunk());
            drop(view);
            let (ns_plain, _) = self.open(&input, None)?;
            if run > 0 {
                shared.push(ns);
                plain.push(ns_plain);
            }
        }
        for _ in 0..self.runs.min(5) {
            let (ns, view) = self.copy(&input, &filled)?;
            copied.push(ns);
            black_box(view.memory());
        }
        let [shared, plain, copied] = [shared, plain, copied].map(|mut times| median(&mut times));
        push(row, "shared", "open_ns", shared, "ns");
        push(
            row,
            "shared",
            "times_faster_than_copied",
            copied / shared,
            "",
        );
        push(row, "shared", "image_bytes", filled.bytes.len() as f64, "B");
        push(row, "plain", "open_ns", plain, "ns");
        push(row, "copied", "open_ns", copied, "ns");
        Ok(shared)
    }

    /// From nothing to the first entries read, each time others.
    fn first(&self, row: &str, push: &mut Push<'_>) -> Result<()> {
        let filled = self.fill(READ.1)?;
        let (mut shared, mut plain, mut copied) = (Vec::new(), Vec::new(), Vec::new());
        for run in 0..=self.runs as u64 {
            let reads = Reads::new(REQUEST_READS, &filled, run);
            let (opened, mut view) = self.open(&reads.input(), Some(&filled.shared))?;
            let ns = opened + reads.run(&mut view)?;
            // The same requests, all of them missed.
            let (opened, mut view) = self.open(&reads.input(), None)?;
            let began = Instant::now();
            view.call("read")?;
            let ns_plain = opened + began.elapsed().as_nanos() as f64;
            if run > 0 {
                shared.push(ns);
                plain.push(ns_plain);
            }
        }
        for run in 0..self.runs.min(5) as u64 {
            let reads = Reads::new(REQUEST_READS, &filled, run);
            let (opened, mut view) = self.copy(&reads.input(), &filled)?;
            copied.push(opened + reads.run(&mut view)?);
        }
        push(row, "shared", "first_reads_ns", median(&mut shared), "ns");
        push(row, "plain", "first_reads_ns", median(&mut plain), "ns");
        push(row, "copied", "first_reads_ns", median(&mut copied), "ns");
        Ok(())
    }

    /// Reads in instances that have read it all before, by turns.
    fn warm(&self, row: &str, push: &mut Push<'_>) -> Result<()> {
        let filled = self.fill(READ.1)?;
        let reads = Reads::new(WARM_READS, &filled, 0);
        let (_, mut shared) = self.open(&reads.input(), Some(&filled.shared))?;
        let (_, mut copied) = self.copy(&reads.input(), &filled)?;
        let (mut of_shared, mut of_copied, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for pass in 0..=WARM_PASSES {
            let one = reads.run(&mut shared)? / WARM_READS as f64;
            let other = reads.run(&mut copied)? / WARM_READS as f64;
            // The first pass touches what the others read.
            if pass > 0 {
                of_shared.push(one);
                of_copied.push(other);
                ratios.push(one / other);
            }
        }
        push(row, "shared", "read_ns", median(&mut of_shared), "ns");
        push(row, "shared", "ratio_to_copied", median(&mut ratios), "");
        push(row, "copied", "read_ns", median(&mut of_copied), "ns");
        Ok(())
    }

    /// The memory of many instances that have all read something.
    fn live(&self, row: &str, push: &mut Push<'_>) -> Result<()> {
        let mut filled = self.fill(READ.1)?;
        drop(mem::take(&mut filled.bytes));
        for (subject, image) in [("plain", None), ("shared", Some(&filled.shared))] {
            let tell = || -> Result<[f64; 3]> {
                Ok([
                    process::bytes("smaps_rollup", "Pss")?,
                    process::bytes("smaps_rollup", "Anonymous")?,
                    process::bytes("status", "VmPTE")?,
                ])
            };
            // The first instance makes what all others use too.
            drop(self.open(&question([0]), image)?);
            let [base, anonymous, tables] = tell()?;
            let mut views = Vec::new();
            for seed in 0..LIVE {
                let reads = Reads::new(REQUEST_READS, &filled, seed);
                let (_, mut view) = self.open(&reads.input(), image)?;
                match image {
                    Some(_) => drop(reads.run(&mut view)?),
                    None => drop(view.call("read")?),
                }
                views.push(view);
            }
            let [pss, anonymous_after, tables_after] = tell()?;
            let dirtied = anonymous_after - anonymous;
            let length = image.map_or(0, SharedImage::len) as f64;
            push(row, subject, "base_bytes", base, "B");
            push(row, subject, "pss_bytes", pss, "B");
            push(row, subject, "dirtied_bytes", dirtied, "B");
            push(row, subject, "page_table_bytes", tables_after - tables, "B");
            if image.is_some() {
                let ratio = pss / (base + length + dirtied);
                push(row, subject, "pss_ratio", ratio, "");
                let (written, mappings) =
                    process::bytes_of_mappings("memfd:steadfast-image", "Anonymous")?;
                ensure!(mappings as u64 >= LIVE, "{mappings} mappings of the image");
                push(row, subject, "image_bytes_written", written, "B");
            }
            drop(views);
        }
        Ok(())
    }
}

/// Reads of entries at random, and what they must find.
struct Reads {
    numbers: [u64; 3],
    hits: u64,
    sum: u64,
}

impl Reads {
    /// The same numbers as the guest draws.
    fn new(reads: u64, filled: &Filled, seed: u64) -> Self {
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

    fn input(&self) -> Input {
        question(self.numbers)
    }

    /// Has an instance that was opened for it read; answers the time.
    fn run(&self, view: &mut View) -> Result<f64> {
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

fn question<const N: usize>(numbers: [u64; N]) -> Input {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
    Input::new(1, &bytes)
}
