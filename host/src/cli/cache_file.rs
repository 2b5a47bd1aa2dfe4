//! The file of `steadfast run --warm`, which a thread of its own writes.

use std::num::NonZeroU32;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use steadfast_host::{Compression, Digest, ImageError, RegionImage};

/// How old the file gets where its option does not say.
const PERIOD: Duration = Duration::from_secs(300);

/// The file, when it is written next, and the thread that is writing it.
pub struct CacheFile {
    path: PathBuf,
    compression: Compression,
    /// Blocks after which it is written; `None` goes by time.
    every: Option<NonZeroU32>,
    /// Blocks since it was read or written.
    blocks: u32,
    begun: Instant,
    /// Whether this run read it, or wrote it.
    is_used: bool,
    writing: Option<JoinHandle<Result<(), ImageError>>>,
}

impl CacheFile {
    pub fn new(path: PathBuf, compression: Compression, every: Option<NonZeroU32>) -> CacheFile {
        CacheFile {
            path,
            compression,
            every,
            blocks: 0,
            begun: Instant::now(),
            is_used: false,
            writing: None,
        }
    }

    /// It was read.
    pub fn note_read(&mut self) {
        self.is_used = true;
    }

    /// A block begins, after which it is as of an older state.
    pub fn note_block(&mut self) {
        self.blocks += 1;
    }

    /// Whether a block has begun since it was read or written.
    pub fn is_behind(&self) -> bool {
        self.blocks > 0
    }

    /// Whether it is time to write it. It is not while it is being written.
    pub fn is_due(&self) -> bool {
        let is_time = match self.every {
            Some(blocks) => self.blocks >= blocks.get(),
            None => self.begun.elapsed() >= PERIOD,
        };
        is_time && self.writing.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Begins to write what `image` makes, with the digest of the state that it belongs to; first
    /// waits for what is being written.
    pub fn begin(
        &mut self,
        state: Digest,
        image: impl FnOnce() -> Result<RegionImage, ImageError> + Send + 'static,
    ) {
        self.finish();
        self.blocks = 0;
        self.begun = Instant::now();
        self.is_used = true;
        let (path, compression) = (self.path.clone(), self.compression);
        let write = move || image()?.write(&path, state, compression);
        self.writing = Some(thread::spawn(write));
    }

    /// Waits until what is being written stands there.
    pub fn finish(&mut self) {
        if let Some(writing) = self.writing.take() {
            tell(writing.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
    }

    /// There is no cache to be kept. What this run read or wrote is removed, and nothing else.
    pub fn drop_cache(&mut self) {
        self.finish();
        self.blocks = 0;
        match self.is_used {
            true => tell(RegionImage::remove(&self.path)),
            false => {
                let fate = match self.path.exists() {
                    true => "stays as it is",
                    false => "is not written",
                };
                super::warn(&format!(
                    "{} {fate}: no block left a cache",
                    self.path.display()
                ));
            }
        }
    }
}

/// The next run begins cold then. This one goes on.
fn tell(kept: Result<(), ImageError>) {
    if let Err(reason) = kept {
        super::warn(&format!("the cache is not kept for the next run: {reason}"));
    }
}
