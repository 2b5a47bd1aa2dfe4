//! Files that hold what an instance left: all of its memory, its region, or an image of its cache.

use std::path::Path;

use anyhow::{bail, ensure};
use steadfast::format::{FormatError, InstanceInfo, RegionInfo};
use steadfast_host::{Bound, Bounds, Digest, RegionImage, find_instance_info};

/// What an instance left.
pub enum Left {
    /// All of its memory, and the instance info in it.
    Memory(Vec<u8>, Box<InstanceInfo>),
    /// The bytes of its region, which do not tell its address.
    Region(Vec<u8>),
    /// What `run --warm` keeps: the image, and the state that it belongs to.
    Image(Box<RegionImage>, Digest),
}

/// Reads a file, and finds out which of them it is.
pub fn read(path: &Path, bounds: &Bounds) -> anyhow::Result<Left> {
    let bytes = super::read_bounded(path, Bound::FileBytes, bounds)?;
    ensure!(
        !bytes.starts_with(b"\0asm"),
        "{}: a module, and no copy of a memory: give it without --memory-file",
        path.display()
    );
    if RegionImage::is_file(&bytes) {
        let most = bounds.most(Bound::ImageBytes);
        let (image, state) = RegionImage::read_within(&mut &bytes[..], path, |_| Ok(most))?;
        return Ok(Left::Image(Box::new(image), state));
    }
    if let Some(info) = find_instance_info(&bytes) {
        return Ok(Left::Memory(bytes, Box::new(info)));
    }
    match RegionInfo::read(&bytes) {
        Ok(_) => Ok(Left::Region(bytes)),
        Err(version @ FormatError::Version { .. }) => bail!(
            "{}: {version}: read it with the steadfast that the module was built with",
            path.display()
        ),
        Err(error) => Err(anyhow::Error::new(error).context(format!(
            "{}: neither a memory with steadfast's instance info in it, nor a region, nor an image of one",
            path.display()
        ))),
    }
}
