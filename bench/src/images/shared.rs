//! One image that many instances map, against a copy for each.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use steadfast::region::inspect;
use steadfast_host::{Input, MemoryState, Output, RunConfig, Runner, SharedImage, View};

use super::{Options, process};
use crate::figures::{Figure, Figures, Value, median};
use crate::guests;

const MIB: u64 = 1 << 20;

/// Bytes that an entry of the guest takes, with its share of the index.
const ENTRY_BYTES: u64 = 165;

/// The image that the rows about reading are about.
const READ: (&str, u64) = ("256m", 256 * MIB);

/// Images whose mapping is timed.
const SIZES: [(&str, u64); 4] = [
    ("1m", MIB),
    ("16m", 16 * MIB),
    READ,
    ("1g", 1020 * MIB),
];

/// Instances that live at the same time.
const LIVE: usize = 100;

/// Reads that a request makes, in rows about requests.
const REQUEST_READS: u64 = 100;

/// Reads of one pass over a warm instance.
const WARM_READS: u64 = 200_000;

/// A filled cache: the bytes of its region, and what is in it.
struct Filled {
    runner: Runner,
    state: MemoryState,
    shared: SharedImage,
    entries: u64,
}

impl Filled {
    fn new(runner: &Runner, bytes: u64) -> Result<Self> {
        let entries = bytes / ENTRY_BYTES;
        let state = MemoryState::default();
        let finished = runner.start(&question(&[entries]), &state)?;
        finished.outcome().as_ref().map_err(|error| anyhow::anyhow!("{error}"))?;
        let image = RegionImage::capture(&finished)?;
        Ok(Filled {
            runner: runner.clone(),
            state,
            shared: SharedImage::new(&image)?,
            entries,
        })
    }
}

fn question(numbers: &[u64]) -> Input {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Input::new(1, &bytes)
}
