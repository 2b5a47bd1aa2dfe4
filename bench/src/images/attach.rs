//! What a guest pays to attach to an image, by who has verified it.

use std::time::Instant;

use anyhow::Result;
use steadfast::region::{Status, seal};

use super::Options;
use super::view::{Bench, Push, Reads};
use crate::figures::median;

const MIB: u64 = 1 << 20;

/// The images, from the smallest.
const SIZES: [(&str, u64); 3] = [("1m", MIB), ("16m", 16 * MIB), ("256m", 256 * MIB)];

/// Sealed by the host: by its header. Closed: checksums, and walked whole. Open: walked whole.
const SUBJECTS: [(&str, Status); 3] = [
    ("sealed", Status::Sealed),
    ("closed", Status::Closed),
    ("open", Status::Open),
];

/// Reads of each instance, attaching included.
const READS: u64 = 10;

/// Instances made for each figure, at most: the large ones are copied each time.
const RUNS: usize = 9;

/// Measures every row that is wanted.
///
/// # Errors
/// When the guest fails, or does not find the image's entries.
pub fn measure(options: &Options, bench: &Bench, push: &mut Push<'_>) -> Result<()> {
    for (size, bytes) in SIZES {
        let row = format!("attach-{size}");
        if options.wants(&row) {
            bench.attach(&row, bytes, push)?;
        }
    }
    Ok(())
}

impl Bench {
    fn attach(&self, row: &str, bytes: u64, push: &mut Push<'_>) -> Result<()> {
        let mut filled = self.fill(bytes)?;
        let mebibytes = filled
            .parts
            .iter()
            .map(ExactSizeIterator::len)
            .sum::<usize>() as f64
            / MIB as f64;
        // A few reads, so that an image that is refused is not taken for a quick one.
        let reads = Reads::new(READS, &filled, 1);
        let mut plain = Vec::new();
        for _ in 0..RUNS {
            let (_, mut view) = self.open(&reads.input(), None)?;
            let began = Instant::now();
            view.call("read")?;
            plain.push(began.elapsed().as_nanos() as f64);
        }
        let plain = median(&mut plain);
        push(row, "plain", "attach_ns", plain, "ns");
        for (subject, status) in SUBJECTS {
            seal(&mut filled.bytes, status)?;
            let mut times = Vec::new();
            for _ in 0..self.runs.min(RUNS) {
                let (_, mut view) = self.copy(&reads.input(), &filled)?;
                times.push(reads.run(&mut view)?);
            }
            let ns = median(&mut times);
            push(row, subject, "attach_ns", ns, "ns");
            push(
                row,
                subject,
                "attach_ns_per_mib",
                (ns - plain) / mebibytes,
                "ns",
            );
        }
        Ok(())
    }
}
