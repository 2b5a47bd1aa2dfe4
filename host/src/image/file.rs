//! Images in files.
//!
//! ```text
//! 0   magic        `stdfimge`
//! 8   version      u32, 1
//! 12  compression  u32: 0 none, 1 LZ4 frames
//! 16  module       SHA-256 of the module
//! 48  state        digest of the state after the block that left it
//! 80  base         u32, the region's address
//! 84  reserved     u32, 0
//! 88  checksum     u64, XXH64 of the 88 bytes before
//! 96  the image's header and the buckets in use, then its entries; compressed together where they are
//! ```

mod partial;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use lz4_flex::frame::{FrameDecoder, FrameEncoder};
use steadfast::format::{HEADER_BYTES, RegionInfo};
use xxhash_rust::xxh64::xxh64;

use super::{Buffer, ImageError, Origin, RegionImage};
use crate::bounds::Bound;
use crate::digest::Digest;
use crate::file::directory_of;

const MAGIC: &[u8; 8] = b"stdfimge";
const VERSION: u32 = 1;
const HEAD: usize = 96;

/// How an image stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// In LZ4 frames.
    Lz4,
}

impl RegionImage {
    /// Writes the image to a file, with the digest of the state that it belongs to: all of it or
    /// nothing, whenever the process or the machine is stopped. The bytes go to a file of their
    /// own beside it first. Replaces an image, and no other file; removes what a killed process
    /// left beside it.
    ///
    /// # Errors
    ///
    /// When the file cannot be written, and as [`check_replaceable`](Self::check_replaceable) has
    /// it. What stood there stays.
    pub fn write(
        &self,
        path: &Path,
        state: Digest,
        compression: Compression,
    ) -> Result<(), ImageError> {
        let io = |reason| ImageError::Io {
            path: path.to_path_buf(),
            reason,
        };
        RegionImage::check_replaceable(path)?;
        partial::remove_stale(path).map_err(io)?;
        let (partial, mut file) = partial::create(path).map_err(io)?;
        self.write_to(&mut file, state, compression).map_err(io)?;
        file.sync_all().map_err(io)?;
        fs::rename(partial.path(), path).map_err(io)?;
        // The new name is lost with the machine unless the directory is written too.
        File::open(directory_of(path))
            .and_then(|directory| directory.sync_all())
            .map_err(io)
    }

    /// Checks that a path is free, or holds an image that [`write`](Self::write) left there.
    ///
    /// # Errors
    ///
    /// When another file stands there, or something that is no plain file: a directory, a link, a
    /// device.
    pub fn check_replaceable(path: &Path) -> Result<(), ImageError> {
        let io = |reason| ImageError::Io {
            path: path.to_path_buf(),
            reason,
        };
        let is_ours = match fs::symlink_metadata(path) {
            Ok(found) => found.is_file() && begins_as_image(path, MAGIC.len()).map_err(io)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(io(error)),
        };
        match is_ours {
            true => Ok(()),
            false => Err(ImageError::NotOurs {
                path: path.to_path_buf(),
            }),
        }
    }

    /// Removes the image in a file, if there is one.
    ///
    /// # Errors
    ///
    /// When it cannot be removed, and as [`check_replaceable`](Self::check_replaceable) has it.
    pub fn remove(path: &Path) -> Result<(), ImageError> {
        RegionImage::check_replaceable(path)?;
        remove_if_there(path).map_err(|reason| ImageError::Io {
            path: path.to_path_buf(),
            reason,
        })
    }

    /// As [`write`](Self::write), to anything.
    ///
    /// # Errors
    ///
    /// When it cannot be written to.
    pub fn write_to(
        &self,
        target: &mut dyn Write,
        state: Digest,
        compression: Compression,
    ) -> io::Result<()> {
        let mut head = [0; HEAD];
        head[..8].copy_from_slice(MAGIC);
        head[8..12].copy_from_slice(&VERSION.to_le_bytes());
        head[12..16].copy_from_slice(&(compression as u32).to_le_bytes());
        head[16..48].copy_from_slice(&self.origin.module.0);
        head[48..80].copy_from_slice(&state.0);
        head[80..84].copy_from_slice(&self.origin.base.to_le_bytes());
        let checksum = xxh64(&head[..88], 0);
        head[88..].copy_from_slice(&checksum.to_le_bytes());
        target.write_all(&head)?;
        match compression {
            Compression::None => self.write_parts(target),
            Compression::Lz4 => {
                let mut encoder = FrameEncoder::new(target);
                self.write_parts(&mut encoder)?;
                encoder.finish().map(drop).map_err(io::Error::other)
            }
        }
    }

    fn write_parts(&self, target: &mut dyn Write) -> io::Result<()> {
        let mut parts = self.origin.info.image_parts().into_iter();
        parts.try_for_each(|part| {
            let part = part.start as usize..part.end as usize;
            target.write_all(&self.buffer.bytes()[part])
        })
    }

    /// Whether bytes begin as such a file does.
    pub fn is_file(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads and verifies an image. The second part of the answer is the state that it belongs to.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, or does not hold an image that is whole.
    pub fn read(path: &Path) -> Result<(Self, Digest), ImageError> {
        RegionImage::read_if(path, |_| Ok(Bound::ImageBytes.default()))
    }

    /// As [`read`](Self::read), if `accept` says so of what the file claims to be, and to how many
    /// bytes it may unpack: nothing is unpacked before.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read) has it, and `accept`'s.
    pub fn read_if(
        path: &Path,
        accept: impl FnOnce(&ImageClaim) -> Result<u64, ImageError>,
    ) -> Result<(Self, Digest), ImageError> {
        let file = File::open(path).map_err(|reason| ImageError::Io {
            path: path.to_path_buf(),
            reason,
        })?;
        RegionImage::read_within(&mut io::BufReader::new(file), path, accept)
    }

    /// As [`read_if`](Self::read_if), from anything that a path's bytes come from.
    ///
    /// # Errors
    ///
    /// As [`read_if`](Self::read_if) has it.
    pub fn read_within(
        source: &mut dyn Read,
        path: &Path,
        accept: impl FnOnce(&ImageClaim) -> Result<u64, ImageError>,
    ) -> Result<(Self, Digest), ImageError> {
        let unusable = |reason| ImageError::File {
            path: path.to_path_buf(),
            reason,
        };
        let (claim, compression) = read_head(source).map_err(unusable)?;
        let most = accept(&claim)?;
        let image = read_body(source, &claim, compression, most).map_err(unusable)?;
        Ok((image, claim.state))
    }

    /// As [`read`](Self::read), from anything. Reads no more than a region can have.
    ///
    /// # Errors
    ///
    /// What is wrong with the bytes.
    pub fn read_from(source: &mut dyn Read) -> Result<(Self, Digest), String> {
        let (claim, compression) = read_head(source)?;
        let most = Bound::ImageBytes.default();
        let image = read_body(source, &claim, compression, most)?;
        Ok((image, claim.state))
    }
}

/// What an image's file says of it, before anything of the image itself is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageClaim {
    /// The module that it belongs to.
    pub module: Digest,
    /// The state that it belongs to.
    pub state: Digest,
    /// The address of the region.
    pub base: u32,
}

/// Reads what stands before the image, and how that is compressed.
fn read_head(source: &mut dyn Read) -> Result<(ImageClaim, u32), String> {
    let mut head = [0; HEAD];
    source.read_exact(&mut head).map_err(|_| "too short")?;
    let u32_at = |at| u32::from_le_bytes(*head[at..].first_chunk().expect("in the head"));
    let digest_at = |at: usize| Digest(*head[at..].first_chunk().expect("in the head"));
    if head[..8] != *MAGIC {
        return Err("its first bytes are not an image's".into());
    }
    if head[88..] != xxh64(&head[..88], 0).to_le_bytes() {
        return Err("its first 96 bytes are damaged: their checksum is wrong".into());
    }
    if u32_at(8) != VERSION {
        return Err(format!(
            "it has version {}, and this program reads version {VERSION}",
            u32_at(8)
        ));
    }
    let claim = ImageClaim {
        module: digest_at(16),
        state: digest_at(48),
        base: u32_at(80),
    };
    Ok((claim, u32_at(12)))
}

fn read_body(
    source: &mut dyn Read,
    claim: &ImageClaim,
    compression: u32,
    most: u64,
) -> Result<RegionImage, String> {
    match compression {
        0 => read_parts(source, claim, most),
        1 => read_parts(&mut FrameDecoder::new(source), claim, most),
        other => Err(format!("unknown compression {other}")),
    }
}

/// Whether a file begins with an image's first bytes, or with some of them, but at least so many,
/// if it ends there.
fn begins_as_image(path: &Path, least_bytes: usize) -> io::Result<bool> {
    let mut first = Vec::new();
    let magic = MAGIC.len() as u64;
    File::open(path)?.take(magic).read_to_end(&mut first)?;
    Ok(first.len() >= least_bytes && MAGIC.starts_with(&first))
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn read_parts(source: &mut dyn Read, claim: &ImageClaim, most: u64) -> Result<RegionImage, String> {
    let ImageClaim { base, module, .. } = *claim;
    let mut header = vec![0; HEADER_BYTES as usize];
    source.read_exact(&mut header).map_err(|_| "cut off")?;
    let info = RegionInfo::read(&header).map_err(|error| error.to_string())?;
    if u64::from(base) + u64::from(info.frontier) > 1 << 32 {
        return Err("it does not fit in 4 GiB".into());
    }
    if u64::from(info.frontier) > most {
        return Err(format!("it has more than {most} bytes"));
    }
    let mut buffer = Buffer::for_image(&info);
    let bytes = buffer.bytes_mut();
    bytes[..header.len()].copy_from_slice(&header);
    let [index, arena] = info.image_parts();
    for part in [
        header.len()..index.end as usize,
        arena.start as usize..arena.end as usize,
    ] {
        source.read_exact(&mut bytes[part]).map_err(|_| "cut off")?;
    }
    if source.read(&mut [0]).map_err(|error| error.to_string())? != 0 {
        return Err("more bytes than its header says".into());
    }
    let image = RegionImage {
        buffer: Arc::new(buffer),
        origin: Origin { base, module, info },
    };
    if image.info.status != steadfast::format::Status::Closed {
        return Err("nothing covers its bytes".into());
    }
    image.verified().map_err(|error| error.to_string())
}
