//! The cache between the blocks of `steadfast run`, between runs, and for `steadfast view`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use steadfast_host::{
    BlockReport, Chain, Compression, Finished, Guest, HeldRegion, ImageError, Input, RegionImage,
    RunError, Runner, State, state_digest,
};

/// The cache between blocks, and its file where it has one.
pub struct Warm {
    left: Left,
    /// The blocks that were indexed. What has other hashes is of another chain.
    chain: Chain,
    file: Option<CacheFile>,
    /// The system has refused to move pages: the cache is copied from block to block.
    copies: bool,
}

/// What the last block left.
enum Left {
    Nothing,
    Image(RegionImage),
    Region(HeldRegion),
}

struct CacheFile {
    path: PathBuf,
    compression: Compression,
}

impl Warm {
    /// The cache of one run, which begins cold.
    pub fn between_blocks() -> Warm {
        Warm {
            left: Left::Nothing,
            chain: Chain::new([0; 4]),
            file: None,
            copies: false,
        }
    }

    /// Reads the file, if there is one that belongs to this module and state. Says why it is not used otherwise: the
    /// first block then begins cold. Fails where the file is no image: it would be replaced.
    pub fn open(
        path: &Path,
        compress: bool,
        guest: &Guest,
        state: &dyn State,
    ) -> Result<Warm, ImageError> {
        // An image behind a link is replaced where it stands.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
        RegionImage::check_replaceable(&path)?;
        let image = match path.exists() {
            true => read_image(&path, guest, state)
                .inspect_err(|reason| eprintln!("the cache begins cold: {reason:#}"))
                .ok(),
            false => None,
        };
        let compression = match compress {
            true => Compression::Lz4,
            false => Compression::None,
        };
        Ok(Warm {
            left: image.map_or(Left::Nothing, Left::Image),
            file: Some(CacheFile { path, compression }),
            ..Warm::between_blocks()
        })
    }

    /// Runs a block with what the one before it left, if that can be brought to the block that this one builds on.
    pub fn start(
        &mut self,
        runner: &Runner,
        input: &Input,
        state: &dyn State,
    ) -> Result<Finished, RunError> {
        let mut left = std::mem::replace(&mut self.left, Left::Nothing);
        let brought = match &mut left {
            Left::Nothing => Ok(()),
            Left::Image(image) => self.chain.bring(image, input),
            Left::Region(held) => self.chain.bring(held, input),
        };
        if let Err(reason) = brought {
            self.say_cold(input, &reason);
            left = Left::Nothing;
        }
        let finished = match left {
            Left::Image(image) => runner.start_warm(input, state, Some(&image)),
            Left::Region(held) => runner.start_held(input, state, Some(held)),
            Left::Nothing if self.copies => runner.start_warm(input, state, None),
            Left::Nothing => runner.start_held(input, state, None),
        }?;
        if let Some(reason) = finished.refused_image() {
            self.say_cold(input, reason);
        }
        Ok(finished)
    }

    /// Writes what the block flushed, and goes over to the cache that it left. One that left none is followed by a cold one.
    pub fn commit(
        &mut self,
        finished: Finished,
        input: &Input,
        state: &mut dyn State,
    ) -> Result<BlockReport, RunError> {
        let report = if self.copies {
            let image = finished.image();
            let report = finished.commit(state)?;
            self.left = image.map_or(Left::Nothing, Left::Image);
            report
        } else {
            let (report, held) = finished.commit_and_hold(state)?;
            if let Err(ImageError::Move(reason)) = &held {
                eprintln!(
                    "the cache is copied from block to block, since the system does not move its pages: {reason}"
                );
                self.copies = true;
            }
            self.left = held.map_or(Left::Nothing, Left::Region);
            report
        };
        match &mut self.left {
            Left::Nothing => self.chain.append(input, None::<&mut RegionImage>),
            Left::Image(image) => self.chain.append(input, Some(image)),
            Left::Region(held) => self.chain.append(input, Some(held)),
        }
        Ok(report)
    }

    /// Writes the file, where there is to be one, for the state as it is now; removes it where there is no cache as of that.
    pub fn keep(&self, state: &dyn State) -> anyhow::Result<()> {
        let Some(CacheFile { path, compression }) = &self.file else {
            return Ok(());
        };
        let copy;
        let image = match &self.left {
            Left::Nothing => None,
            Left::Image(image) => Some(image),
            Left::Region(held) => {
                copy = held.image()?;
                Some(&copy)
            }
        };
        match image {
            Some(image) => image.write(path, state_digest(state)?, *compression)?,
            None => RegionImage::remove(path)?,
        }
        Ok(())
    }

    /// Without a file, nobody has asked for more than blocks that follow each other.
    fn say_cold(&self, input: &Input, reason: &ImageError) {
        if self.file.is_some() || !matches!(reason, ImageError::NoParent | ImageError::NoTag) {
            eprintln!("block {}: the cache begins cold: {reason}", input.height());
        }
    }
}

/// Checks that the image is written to none of the files that the run reads or writes itself, whether they exist yet or not.
pub fn check_path<'a>(
    path: &Path,
    others: impl IntoIterator<Item = &'a Path>,
) -> anyhow::Result<()> {
    let written = [path, &RegionImage::partial_path(path)].map(place);
    for other in others {
        if written.contains(&place(other)) {
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
    Ok(image)
}
