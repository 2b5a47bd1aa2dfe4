//! Views on the metashrew surface, at the height of a shared image and at others.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, ensure};
use steadfast_host::{Input, MemoryState, Runner, SharedImage, State};

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
    const LOAD: &str = "load-200k";
    if !options.wants(ROW) && !options.wants(LOAD) {
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
    let server = Server {
        runner: &runner,
        state: &state,
        image: &image,
        expected: expected.to_le_bytes(),
    };
    if options.wants(LOAD) {
        server.load(options.seconds, LOAD, push)?;
    }
    if !options.wants(ROW) {
        return Ok(());
    }
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

/// Answers views at the tip, from a shared image.
struct Server<'a> {
    runner: &'a Runner,
    state: &'a (dyn State + Sync),
    image: &'a SharedImage,
    expected: [u8; 4],
}

impl Server<'_> {
    /// As many views as two threads can answer, each in an instance of its own and with a deadline.
    fn load(&self, seconds: u64, row: &str, push: &mut Push<'_>) -> Result<()> {
        const THREADS: usize = 2;
        ensure!(
            self.runner.config().timeout.is_some(),
            "views have no deadline"
        );
        let end = Instant::now() + Duration::from_secs(seconds);
        let (right, wrong) = (AtomicU64::new(0), AtomicU64::new(0));
        let (cpu, began) = (process::cpu_ns(), Instant::now());
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while Instant::now() < end {
                        let is_right = self.answer().is_ok_and(|answer| answer == self.expected);
                        let count = if is_right { &right } else { &wrong };
                        count.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        let (elapsed, cpu) = (began.elapsed().as_secs_f64(), process::cpu_ns() - cpu);
        let (right, wrong) = (right.into_inner() as f64, wrong.into_inner() as f64);
        push(row, "tip", "views_per_second", right / elapsed, "");
        push(row, "tip", "cpu_ns", cpu / (right + wrong), "ns");
        push(row, "tip", "wrong", wrong, "");
        ensure!(wrong == 0.0, "{wrong} views failed or answered wrongly");
        Ok(())
    }

    fn answer(&self) -> Result<Vec<u8>> {
        let input = Input::new(TIP, &ENTRIES.to_le_bytes());
        let mut view = self
            .runner
            .open_view(&input, self.state, Some(self.image))?;
        Ok(view.call("ten")?)
    }
}
