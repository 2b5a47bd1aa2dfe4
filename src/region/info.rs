//! What a host reads from a region's header, without calling the guest.

use core::ops::{Deref, Range};
use thiserror::Error;

use super::geometry::Geometry;
use super::header::{FORMAT_VERSION, HEADER_BYTES, Header, MAGIC};
use super::image::{Status, contents};
use super::stats::Stats;

/// Why a copy of a region's first bytes cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Fewer bytes than a header has.
    #[error("{given} bytes are too few for a region's header, which takes {HEADER_BYTES}")]
    Truncated {
        /// The bytes that were given.
        given: usize,
    },
    /// No cache has been set up at this address.
    #[error(
        "no region header here: the magic number is missing (is the cache off, or the base address another one?)"
    )]
    NotARegion,
    /// Written by another version of the format.
    #[error("the region has format version {found}, this tool reads version {FORMAT_VERSION}")]
    Version {
        /// The version that was found.
        found: u32,
    },
    /// The geometry contradicts itself.
    #[error("the region's header is damaged: its geometry contradicts itself")]
    Damaged,
}

/// A region's [`Header`] that has been checked, and what follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionInfo {
    header: Header,
    /// What an image of it could be: whether it is torn, and who has verified it.
    pub status: Status,
    /// Counters and sizes.
    pub stats: Stats,
}

impl Deref for RegionInfo {
    type Target = Header;

    fn deref(&self) -> &Header {
        &self.header
    }
}

impl RegionInfo {
    /// Reads a region's header from a copy of the region's first bytes, [`HEADER_BYTES`] or more of
    /// them.
    ///
    /// Constant cost. Nothing is trusted: what cannot be a header is an error.
    ///
    /// # Errors
    ///
    /// See [`FormatError`].
    pub fn read(region_prefix: &[u8]) -> Result<RegionInfo, FormatError> {
        let header = Header::read(region_prefix)?;
        if header.magic != MAGIC {
            return Err(FormatError::NotARegion);
        }
        if header.format != FORMAT_VERSION {
            return Err(FormatError::Version {
                found: header.format,
            });
        }
        let geometry = Geometry::new(header.limit, header.expected_entry);
        let geometry = geometry.filter(|geometry| header.is_sound(geometry));
        let (Some(geometry), Some(status)) = (geometry, header.status()) else {
            return Err(FormatError::Damaged);
        };
        Ok(RegionInfo {
            header,
            status,
            stats: Stats::of(&header, &geometry, header.capacity),
        })
    }

    /// Where the parts of an image stand, as offsets from the region's start: the header with the
    /// buckets in use, and the entries. What is between them has no meaning.
    #[must_use]
    pub fn image_parts(&self) -> [Range<u32>; 2] {
        let [index, arena] = contents(self.buckets, self.arena_start, self.frontier);
        [0..index.end, arena]
    }
}
