//! One image that many instances map, against a copy for each.

use std::hint::black_box;
use std::mem;
use std::time::Instant;

use anyhow::{Result, ensure};
use steadfast_host::SharedImage;

use super::Options;
use super::view::{Bench, Push, Reads, question};
use crate::figures::median;
use crate::process;

const MIB: u64 = 1 << 20;

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
/// When the guest fails, or reads something else than it should.
pub fn measure(options: &Options, bench: &Bench, push: &mut Push<'_>) -> Result<()> {
    let row = |name: &str| format!("{name}-{}", READ.0);
    // First, while this process has little memory of its own.
    if options.wants(&row("live")) {
        bench.live(&row("live"), push)?;
    }
    let mut smallest = None;
    for (size, bytes) in SIZES {
        let name = format!("map-{size}");
        if options.wants(&name) {
            let ns = bench.map(&name, bytes, push)?;
            let smallest = *smallest.get_or_insert(ns);
            push(&name, "shared", "ratio_to_smallest", ns / smallest, "");
        }
    }
    if options.wants(&row("first")) {
        bench.first(&row("first"), push)?;
    }
    if options.wants(&row("warm")) {
        bench.warm(&row("warm"), push)?;
    }
    Ok(())
}

impl Bench {
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
