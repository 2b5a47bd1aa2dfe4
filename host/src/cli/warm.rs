//! The cache between the blocks of `steadfast run`, between runs, and for `steadfast view`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::bail;
use steadfast_host::{
    Chain, Compression, Guest, ImageError, Input, RegionImage, State, state_digest,
};

/// The cache between blocks, and its file.
pub struct Warm {
    image: Option<RegionImage>,
    /// The blocks that were indexed. What has other hashes is of another chain.
    chain: Chain,
    path: PathBuf,
    compression: Compression,
}

impl Warm {
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
        Ok(Warm {
            image,
            chain: Chain::new([0; 4]),
            path,
            compression: if compress {
                Compression::Lz4
            } else {
                Compression::None
            },
        })
    }

    /// The image for the next block, if there is one: brought to the block before, or dropped where that is not an ancestor of the
    /// one that the image is as of.
    pub fn image_for(&mut self, next: &Input) -> Option<&RegionImage> {
        if let Err(reason) = self.chain.bring(self.image.as_mut()?, next) {
            eprintln!("block {}: the cache begins cold: {reason}", next.height());
            self.image = None;
        }
        self.image.as_ref()
    }

    /// Drops the image, since the block that began with it has failed: perhaps because of it. The next run begins cold.
    pub fn distrust(&mut self) {
        if self.image.take().is_some() {
            eprintln!("the cache that the block began with is dropped: the next run begins cold");
        }
    }

    /// Goes over to the image that a block left.
    pub fn turn_to(&mut self, image: Option<RegionImage>, block: &Input) {
        self.image = image;
        self.chain.append(block, self.image.as_mut());
    }

    /// Writes the file for the state as it is now; removes it where there is no image as of that.
    pub fn keep(&self, state: &dyn State) -> anyhow::Result<()> {
        match &self.image {
            Some(image) => image.write(&self.path, state_digest(state)?, self.compression)?,
            None => RegionImage::remove(&self.path)?,
        }
        Ok(())
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

/// Reads an image that belongs to this module, at this state. It is unpacked only then.
pub fn read_image(path: &Path, guest: &Guest, state: &dyn State) -> anyhow::Result<RegionImage> {
    let at_hand = state_digest(state)?;
    let (image, _) = RegionImage::read_if(path, |claim| {
        guest.check_image(claim.base, claim.module)?;
        if claim.state != at_hand {
            return Err(ImageError::State {
                expected: at_hand,
                found: claim.state,
            });
        }
        Ok(guest.most_image_bytes())
    })?;
    Ok(image)
}
