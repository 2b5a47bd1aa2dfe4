//! What a hit costs, against how much is resident.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::ENTRY_BYTES;
use super::instance::{Instance, Op};
use super::numbers::Numbers;
use super::race::NO_CEILING;
use super::subject::Subject;
use crate::figures::median;
use steadfast_host::plot::{self, Labels, Series};

/// Resident keys and values, in MiB.
const SIZES: [u64; 6] = [1, 4, 16, 64, 256, 1024];

const ROUNDS: usize = 5;

const LOOKUPS: usize = 100_000;

/// Draws a line for each subject. They are measured one after the other: together they would take
/// too much memory.
///
/// # Errors
/// When a guest fails, or the file cannot be written.
pub fn draw(path: &Path, subjects: &[&Subject]) -> Result<()> {
    let engine = steadfast_host::engine::engine(false).map_err(|error| anyhow!("{error:?}"))?;
    let mut series = Vec::new();
    for subject in subjects {
        let module = subject.compile(&engine, "")?;
        let mut points = Vec::new();
        for mib in SIZES {
            let entries = (mib << 20) / ENTRY_BYTES;
            let capacity = subject.capacity_for(entries);
            let mut instance = Instance::open(&module, capacity, NO_CEILING)?;
            let ns = hit_ns(&mut instance, entries as usize);
            points.push((
                mib as f64,
                ns.with_context(|| format!("{} at {mib} MiB", subject.name))?,
            ));
        }
        series.push(Series {
            subject: subject.name,
            points,
        });
    }
    let labels = Labels {
        title: "A hit, by the bytes of keys and values resident",
        x: "MiB",
        y: "ns",
    };
    Ok(plot::lines(path, &labels, &series)?)
}

fn hit_ns(instance: &mut Instance, entries: usize) -> Result<f64> {
    instance.run(Op::Insert, &Numbers::Sequence(0).take(entries))?;
    let mut numbers = Numbers::uniform(entries as u32);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let batch = instance.run(Op::Get, &numbers.take(LOOKUPS))?;
        // Of ours, one in thousands may have been displaced.
        ensure!(
            batch.hits * 1000 >= 999 * LOOKUPS as u64,
            "{} of {LOOKUPS} lookups hit",
            batch.hits
        );
        times.push(batch.ns / LOOKUPS as f64);
    }
    Ok(median(&mut times))
}
