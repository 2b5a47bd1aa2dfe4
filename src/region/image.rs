//! Images: the bytes of a region that another instance left, what makes them acceptable, and how a
//! cache began.
//!
//! An image is the region up to its frontier. Of the index, only the buckets in use have a meaning;
//! what stands between them and the arena is left out of checksums and copies.

use core::ops::Range;
use core::sync::atomic::{Ordering, compiler_fence};
use xxhash_rust::xxh64::xxh64;

use super::geometry::{BUCKET_BYTES, Geometry};
use super::header::{FORMAT_VERSION, HEADER_BYTES, Header, MAGIC, USER_TAG_BYTES};
use super::info::{FormatError, RegionInfo};
use super::undeclared_pages::UndeclaredPages;
use super::view::RegionView;
use super::{Region, RegionParts};

/// What a region's header says of the bytes behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// In use, between two operations: whole, but nothing covers it.
    Open = 1,
    /// An operation was changing it: perhaps torn.
    Changing = 2,
    /// Both checksums cover it.
    Closed = 3,
    /// A host has verified it all, and the memory is trusted. Never in a file.
    Sealed = 4,
    /// As sealed, and other instances have the same memory until it is written: reading writes
    /// nothing.
    Shared = 5,
}

impl Status {
    /// Reads what `as u32` wrote.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Status> {
        [
            Status::Open,
            Status::Changing,
            Status::Closed,
            Status::Sealed,
            Status::Shared,
        ]
        .into_iter()
        .find(|status| *status as u32 == code)
    }
}

/// Why a cache began without entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u32)]
pub enum AttachError {
    /// There is no region, or it cannot hold an entry.
    #[error("there is no region that can hold an entry")]
    Disabled = 1,
    /// The region's memory is new: nothing can stand there.
    #[error("the region's memory is new")]
    Fresh = 2,
    /// No image stands there.
    #[error("no image stands in the region")]
    NoImage = 3,
    /// An image with another hash, in another byte order, or with a header of another length.
    #[error("the image has another format")]
    Format = 4,
    /// The image belongs to another plan.
    #[error("the image belongs to another plan")]
    Plan = 5,
    /// The image belongs to a module that the host calls otherwise.
    #[error("the image belongs to another module")]
    Module = 6,
    /// The image was taken while an operation was changing it.
    #[error("the image was taken in the middle of an operation")]
    Torn = 7,
    /// A checksum is wrong, the walk found damage, or the image is cut off.
    #[error("the image is damaged")]
    Damaged = 8,
    /// The image does not fit into the region.
    #[error("the region is smaller than the image")]
    TooSmall = 9,
    /// The cache was made by [`Cache::new`](crate::Cache::new), which looks for none.
    #[error("nobody looked for an image")]
    NotAsked = 10,
    /// The image has another version of the format.
    #[error("the image has another version of the format than {FORMAT_VERSION}")]
    Version = 11,
}

impl AttachError {
    const ALL: [AttachError; 11] = [
        AttachError::Disabled,
        AttachError::Fresh,
        AttachError::NoImage,
        AttachError::Format,
        AttachError::Plan,
        AttachError::Module,
        AttachError::Torn,
        AttachError::Damaged,
        AttachError::TooSmall,
        AttachError::NotAsked,
        AttachError::Version,
    ];
}

/// How a cache began. What it tells depends on the host: a program whose outputs must not depend on
/// that does not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Without entries.
    Cold(AttachError),
    /// With the entries of an image that was walked whole.
    Walked,
    /// With the entries of an image that the host had sealed.
    Sealed,
    /// With those of one that other instances read too.
    Shared,
}

impl Start {
    /// Whether the cache began with an image's entries.
    #[must_use]
    pub fn is_warm(self) -> bool {
        !matches!(self, Start::Cold(_))
    }

    /// The number that stands for it in the [instance info](crate::instance_info::InstanceInfo);
    /// never 0.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Start::Cold(reason) => reason as u32,
            Start::Walked => 64,
            Start::Sealed => 65,
            Start::Shared => 66,
        }
    }

    /// Reads what [`code`](Self::code) gave.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Start> {
        let cold = AttachError::ALL.map(Start::Cold).into_iter();
        let mut all = cold.chain([Start::Walked, Start::Sealed, Start::Shared]);
        all.find(|start| start.code() == code)
    }
}

impl core::fmt::Display for Start {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Start::Cold(reason) => write!(f, "cold: {reason}"),
            Start::Walked => f.write_str("warm, walked"),
            Start::Sealed => f.write_str("warm, sealed"),
            Start::Shared => f.write_str("warm, shared"),
        }
    }
}

/// What is left to decide about an image whose header is acceptable.
pub(crate) struct Claim {
    parts: RegionParts,
    undeclared: UndeclaredPages,
    /// How the cache begins, if the image is accepted.
    pub start: Start,
}

impl Region {
    /// Takes over the image that stands in the region, if there is one and its header is
    /// acceptable; gives the region back otherwise, and says why. Constant cost, unless the
    /// image has checksums that nobody has verified yet.
    pub(crate) fn attach(
        mut self,
        hash: [u8; 16],
    ) -> Result<(RegionView, Claim), (Region, AttachError)> {
        match self.examine(hash) {
            Ok((geometry, start)) => {
                let (parts, undeclared) = (self.parts, self.undeclared);
                // SAFETY: the capacity is the region's, and `beside` guarantees the rest.
                let checked =
                    unsafe { undeclared.checked_for(parts.start, &geometry, parts.capacity) };
                let Some(checked) = checked else {
                    return Err((self, AttachError::TooSmall));
                };
                // SAFETY: `examine` has checked that the geometry leaves room for an entry within
                // the capacity, and `from_raw` guarantees the rest.
                let region = unsafe { RegionView::over(parts, checked, self.lease, geometry) };
                let claim = Claim {
                    parts,
                    undeclared,
                    start,
                };
                if region.checksums_hold() {
                    Ok((region, claim))
                } else {
                    Err((claim.refuse(region), AttachError::Damaged))
                }
            }
            Err(reason) => Err((self, reason)),
        }
    }

    fn examine(&mut self, hash: [u8; 16]) -> Result<(Geometry, Start), AttachError> {
        let nothing = match self.is_too_small {
            true => AttachError::TooSmall,
            false => AttachError::Fresh,
        };
        // A smaller span cannot hold header and index.
        if self.is_declined || self.parts.capacity < HEADER_BYTES {
            return Err(nothing);
        }
        // SAFETY: the header lies within the span, the start is aligned to a page, and any bytes
        // are a Header.
        let header: &Header = unsafe { self.parts.start.cast().as_ref() };
        if self.parts.fresh_from < HEADER_BYTES {
            if self.parts.fresh_from > 0 || header.magic != MAGIC {
                return Err(nothing);
            }
            // An instance grew it while it was new, a snapshot of that instance was taken, and a
            // host has written an image since.
            self.parts.fresh_from = self.parts.capacity;
        }
        if header.magic == MAGIC && header.format != FORMAT_VERSION {
            return Err(AttachError::Version);
        }
        let geometry = header.acceptable(&self.parts, hash)?;
        let start = match header.status() {
            Some(Status::Sealed) => Start::Sealed,
            Some(Status::Shared) => Start::Shared,
            Some(Status::Open | Status::Closed) => Start::Walked,
            Some(Status::Changing) => return Err(AttachError::Torn),
            None => return Err(AttachError::Damaged),
        };
        let frontier = header.frontier;
        let is_cut_off = frontier > self.parts.fresh_from;
        let least = geometry.least_capacity().max(frontier);
        // A smaller image keeps its geometry, and with it the capacity that its index is for.
        self.reach(least, geometry.limit);
        if self.parts.capacity < least {
            return Err(AttachError::TooSmall);
        }
        if is_cut_off {
            // What stands behind its end was never written.
            return Err(AttachError::Damaged);
        }
        Ok((geometry, start))
    }
}

impl Claim {
    /// Goes on with the image's entries. Writes to the header, unless it is shared.
    pub fn accept(self, region: &mut RegionView) {
        if self.start == Start::Shared {
            return;
        }
        let capacity = region.capacity();
        let header = region.header_mut();
        header.seal(Status::Open);
        header.capacity = capacity;
        header.reset_counters();
    }

    /// Gives the region back, since its image is damaged.
    pub fn refuse(self, image: RegionView) -> Region {
        Region {
            parts: self.parts,
            is_too_small: false,
            is_declined: false,
            lease: image.into_lease(),
            undeclared: self.undeclared,
        }
    }
}

impl RegionView {
    /// Notes that an operation is about to change the region: whoever copies it from now on has a
    /// torn image.
    #[inline]
    pub fn begin_change(&mut self) {
        if !self.header().is_open() {
            self.stop_sharing();
        }
        self.header_mut().set_status(Status::Changing);
        // Neither this nor what follows may be moved past the other: an instance can be stopped at
        // any instruction.
        compiler_fence(Ordering::SeqCst);
    }

    /// A shared image's header was written for another capacity, and its checksum is about to hold
    /// no more.
    #[cold]
    fn stop_sharing(&mut self) {
        let capacity = self.capacity();
        let header = self.header_mut();
        header.capacity = capacity;
        header.header_checksum = 0;
    }

    /// Notes that the operation is over.
    #[inline]
    pub fn end_change(&mut self) {
        compiler_fence(Ordering::SeqCst);
        self.header_mut().set_status(Status::Open);
    }

    /// Makes an image of the region: both checksums, and a status that says so. Linear in the bytes
    /// in use. The region is not to be used as a cache any more.
    pub fn close(mut self) {
        self.header_mut().reset_counters();
        let contents = self.sum_contents().unwrap_or(0);
        let header = self.header_mut();
        header.contents_checksum = contents;
        header.seal(Status::Closed);
    }

    /// Whether the checksums that the header says there are hold. A sealed image's contents have
    /// been verified before.
    fn checksums_hold(&self) -> bool {
        let header = self.header();
        match header.status() {
            Some(Status::Sealed | Status::Shared) => header.is_checked(),
            Some(Status::Closed) => {
                header.is_checked() && self.sum_contents() == Some(header.contents_checksum)
            }
            // An open one has no checksum: one that has was closed, and its status is damaged.
            Some(Status::Open) => header.header_checksum == 0,
            Some(Status::Changing) | None => true,
        }
    }

    /// The checksum of index and arena; `None` where the header's numbers are not within the
    /// region.
    fn sum_contents(&self) -> Option<u64> {
        let header = self.header();
        let [index, arena] = contents(header.buckets, self.geometry().arena_start, header.frontier);
        let sum = xxh64(self.raw(index)?, 0);
        Some(xxh64(self.raw(arena)?, sum))
    }
}

/// Where an image's contents stand behind its header: the buckets in use, and the arena up to its
/// frontier.
pub(super) fn contents(buckets: u32, arena_start: u32, frontier: u32) -> [Range<u32>; 2] {
    let index_end = HEADER_BYTES.saturating_add(buckets.saturating_mul(BUCKET_BYTES));
    [
        HEADER_BYTES..index_end.min(arena_start),
        arena_start..frontier,
    ]
}

/// Seals an image that has been verified, so that an instance attaches to it at constant cost:
/// marks its header sealed, or shared if other instances have the same memory. Marked as open,
/// nothing covers it any more. `image` begins with the header.
///
/// Not for bytes that leave the process: in a file, an image is closed.
///
/// # Errors
///
/// The bytes are too few for a header.
pub fn seal(image: &mut [u8], status: Status) -> Result<(), FormatError> {
    let mut header = Header::read(image)?;
    header.seal(status);
    header.write(image);
    Ok(())
}

/// Writes the user's tag into the header of an image, and the checksum that then holds over it,
/// unless the image is open: then nothing covers it.
///
/// # Errors
///
/// The bytes do not begin with a header of this version.
pub fn set_user_tag(image: &mut [u8], tag: &[u8; USER_TAG_BYTES]) -> Result<(), FormatError> {
    let info = RegionInfo::read(image)?;
    let mut header = *info;
    header.user_tag = *tag;
    header.seal(info.status);
    header.write(image);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{AttachError, Start, Status};

    #[test]
    fn codes_are_told_apart_and_read_back() {
        for code in 0..100 {
            assert!(Start::from_code(code).is_none_or(|start| start.code() == code));
            assert!(Status::from_code(code).is_none_or(|status| status as u32 == code));
        }
        let starts = (0..100).filter_map(Start::from_code).count();
        assert_eq!(starts, AttachError::ALL.len() + 3);
        assert_eq!(Start::from_code(0), None);
    }
}
