//! Views on the metashrew surface, at the height of a shared image and at others.

use std::time::Instant;

use anyhow::{Result, anyhow, ensure};
use steadfast_host::{Input, MemoryState, SharedImage};

use super::Options;
use super::view::Push;
use crate::figures::median;
use crate::{guests, process};

/// Entries that one block writes.
const ENTRIES: u32 = 200_000;
/// What a view reads of them.
const READS: u32 = 10;
/// The height of that block, and so of the image.
const TIP: u32 = 849_236;

/// The views: at which height, and whether they have the image.
const SUBJECTS: [(&str, u32, bool); 4] = [
    ("tip", TIP, true),
    ("earlier", TIP - 1, true),
    ("later", TIP + 1, true),
    ("plain", TIP, false),
];

/// Measures the row, if it is wanted.
///
/// # Errors
/// When the guest is missing or fails, or answers something else than it should.
pub fn measure(options: &Options, push: &mut Push<'_>) -> Result<()> {
    const ROW: &str = "view-200k";
    if !options.wants(ROW) {
        return Ok(());
    }
    let runner = guests::runner("bench/metashrew-view.wasm")?;
    let mut state = MemoryState::default();
    let finished = runner.start(&Input::new(TIP, &ENTRIES.to_le_bytes()), &state)?;
    let image = SharedImage::new(&finished.image()?)?;
    finished
        .commit(&mut state)
        .map_err(|error| anyhow!("{error}"))?;
    let expected: u32 = (0..READS).map(|step| step * (ENTRIES / READS)).sum();
    for (subject, height, has_image) in SUBJECTS {
        let input = Input::new(height, &ENTRIES.to_le_bytes());
        let image = has_image.then_some(&image);
        let mut times = Vec::new();
        // The first run warms up.
        for run in 0..=options.runs.max(1) {
            let began = Instant::now();
            let mut view = runner.open_view(&input, &state, image)?;
            let answer = view.call("ten")?;
            let ns = began.elapsed().as_nanos() as f64;
            ensure!(answer == expected.to_le_bytes(), "{subject}: {answer:?}");
            if run > 0 {
                times.push(ns);
                continue;
            }
            let asked = view.imports().get_lens as f64;
            push(ROW, subject, "reads_per_view", asked, "");
            if has_image {
                let (written, _) =
                    process::bytes_of_mappings("memfd:steadfast-image", "Anonymous")?;
                push(ROW, subject, "image_bytes_written", written, "B");
            }
        }
        push(ROW, subject, "first_reads_ns", median(&mut times), "ns");
    }
    Ok(())
}
