//! The cache between the blocks of `steadfast run`, between runs, and for `steadfast view`.

use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::bail;
use steadfast_host::{
    Chain, Compression, Guest, ImageError, Input, Position, RegionImage, State, StateError,
    state_digest,
};

/// The cache between blocks, and its file.
pub struct Warm {
    image: Option<RegionImage>,
    /// The blocks that were indexed. What has other hashes is of another chain.
    chain: Chain,
    path: PathBuf,
    compression: Compression,
    /// Blocks after which the file is written; `None` goes by time.
    every: Option<NonZeroU32>,
    blocks: u32,
    written: Instant,
}

/// How old the file gets where its option does not say.
const PERIOD: Duration = Duration::from_secs(300);

impl Warm {
    /// Reads the file, if there is one that belongs to this module and state. Says why it is not used otherwise: the
    /// first block then begins cold. Fails where the file is no image: it would be replaced.
    pub fn open(
        path: &Path,
        compress: bool,
        every: Option<NonZeroU32>,
        guest: &Guest,
        state: &dyn State,
    ) -> Result<Warm, ImageError> {
        // An image behind a link is replaced where it stands.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        RegionImage::check_replaceable(&path)?;
        let image = match path.exists() {
            true => read_image(&path, guest, state)
                .inspect_err(|reason| super::warn(&format!("the cache begins cold: {reason:#}")))
                .ok(),
            false => None,
        };
        Ok(Warm {
            image,
            chain: Chain::new([0; 4]),
            path,
            compression: if compress {
                Compression::Lz4
            } else {
                Compression::None
            },
            every,
            blocks: 0,
            written: Instant::now(),
        })
    }

    /// The image for the next block, if there is one. Where that does not follow the state, the image is brought to the block before, or
    /// dropped where that is not an ancestor of the one that the image is as of.
    pub fn image_for(&mut self, next: &Input, position: Position) -> Option<&RegionImage> {
        if position != Position::Next
            && let Err(reason) = self.chain.bring(self.image.as_mut()?, next)
        {
            super::warn(&format!(
                "block {}: the cache begins cold: {reason}",
                next.height()
            ));
            self.image = None;
        }
        self.image.as_ref()
    }

    /// Goes over to the image that a block left.
    pub fn turn_to(&mut self, image: Option<RegionImage>, block: &Input) {
        self.image = image;
        self.chain.append(block, self.image.as_mut());
    }

    /// Writes the file if it is time.
    pub fn keep_when_due(&mut self, state: &dyn State) -> Result<(), StateError> {
        self.blocks += 1;
        let is_due = match self.every {
            Some(blocks) => self.blocks >= blocks.get(),
            None => self.written.elapsed() >= PERIOD,
        };
        match is_due {
            true => self.keep(state),
            false => Ok(()),
        }
    }

    /// Writes the file for the state as it is now; removes it where there is no image as of that. What is in the way of that costs the
    /// next run its warm cache, and this one nothing.
    pub fn keep(&mut self, state: &dyn State) -> Result<(), StateError> {
        let digest = state_digest(state)?;
        let kept = match &self.image {
            Some(image) => image.write(&self.path, digest, self.compression),
            None => RegionImage::remove(&self.path),
        };
        if let Err(reason) = kept {
            super::warn(&format!("the cache is not kept for the next run: {reason}"));
        }
        self.blocks = 0;
        self.written = Instant::now();
        Ok(())
    }
}

/// Checks that the image is written to none of the files that the run reads or writes itself, whether they exist yet or not.
pub fn check_path<'a>(
    path: &Path,
    others: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    let written = place(path);
    for other in others {
        if written == place(other) {
            bail!(
                "{}: the run itself uses this file, and --warm would replace it: choose another path for the image",
                other.display()
            );
        }
    }
    Ok(())
}

/// A path without links; of a file that is not there, its directory's.
fn place(path: &Path) -> PathBuf {
    let in_directory = || {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        Some(fs::canonicalize(directory).ok()?.join(path.file_name()?))
    };
    let there = fs::canonicalize(path).ok().or_else(in_directory);
    there.unwrap_or_else(|| path.to_path_buf())
}

/// Reads an image that belongs to this module, at this state.
pub fn read_image(path: &Path, guest: &Guest, state: &dyn State) -> anyhow::Result<RegionImage> {
    let (image, found) = RegionImage::read(path)?;
    image.check_module(guest.digest())?;
    let expected = state_digest(state)?;
    if found != expected {
        bail!(ImageError::State { expected, found });
    }
    let tip = state.snapshot()?.tip()?;
    let tagged = image.tag().zip(tip.and_then(|tip| tip.hash));
    if let Some((tag, hash)) = tagged
        && tag.hash != hash
    {
        bail!("the image is as of {tag}, and the state is as of another block");
    }
    Ok(image)
}
