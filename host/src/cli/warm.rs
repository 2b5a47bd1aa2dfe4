//! The cache between the blocks of `steadfast run`, between runs, and for `steadfast view`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use steadfast_host::{Compression, Guest, ImageError, RegionImage, State, state_digest};

/// The cache between blocks, and its file.
pub struct Warm {
    image: Option<RegionImage>,
    path: PathBuf,
    compression: Compression,
}

impl Warm {
    /// Reads the file, if there is one that belongs to this module and state. Says why it is not used otherwise: the
    /// first block then begins cold.
    pub fn open(path: &Path, compress: bool, guest: &Guest, state: &dyn State) -> Warm {
        let image = match path.exists() {
            true => read_image(path, guest, state)
                .inspect_err(|reason| eprintln!("the cache begins cold: {reason:#}"))
                .ok(),
            false => None,
        };
        Warm {
            image,
            path: path.to_path_buf(),
            compression: if compress {
                Compression::Lz4
            } else {
                Compression::None
            },
        }
    }

    /// The image for the next block, if there is one.
    pub fn image(&self) -> Option<&RegionImage> {
        self.image.as_ref()
    }

    /// Goes over to the image that the last block left.
    pub fn turn_to(&mut self, image: Option<RegionImage>) {
        self.image = image;
    }

    /// Writes the file for the state as it is now; removes it where there is no image as of that.
    pub fn keep(&self, state: &dyn State) -> anyhow::Result<()> {
        match &self.image {
            Some(image) => image.write(&self.path, state_digest(state)?, self.compression)?,
            None if self.path.exists() => std::fs::remove_file(&self.path)?,
            None => {}
        }
        Ok(())
    }
}

/// Reads an image that belongs to this module, at this state.
pub fn read_image(path: &Path, guest: &Guest, state: &dyn State) -> anyhow::Result<RegionImage> {
    let (image, found) = RegionImage::read(path)?;
    if image.module() != guest.digest() {
        let (expected, found) = (guest.digest(), image.module());
        bail!(ImageError::Module { expected, found });
    }
    let expected = state_digest(state)?;
    if found != expected {
        bail!(ImageError::State { expected, found });
    }
    Ok(image)
}
