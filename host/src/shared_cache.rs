//! A cache as of the last committed block, for the next block and for views beside it.
#![allow(unsafe_code)]

use std::ops::Deref;

use steadfast::format::{HEADER_BYTES, RegionInfo, Status, seal};

use crate::ceiling::PAGE_BYTES;
use crate::digest::Digest;
use crate::held::{HeldRegion, OwnPages, Pages, left_in};
use crate::image::{AsOf, BlockTag, ImageError, Origin, RegionImage};
use crate::page_file::{Lease, PageFile};

/// A module's cache as of the last committed block, in memory that instances map.
///
/// The instance that indexes the next block maps it, and what it writes is its own until
/// [`Finished::commit_and_share`](crate::Finished::commit_and_share) takes it up. So views that are
/// [opened](crate::Runner::open_view_of) meanwhile find the block before, and a block that fails
/// leaves nothing. Taking up a block costs time in proportion to the pages that it wrote (and 4 ms
/// for each GiB, to find them).
///
/// The bytes stand in memory once. A view that is still running when a block is committed gets its
/// own copy of the pages that the block changed; it goes with the view. Nobody waits for a view
/// longer than that copy takes, 2 µs a page.
///
/// It is for Linux 5.14 and later. Elsewhere it is not made, and the reason is
/// [`ImageError::Share`]: make a [`SharedImage`](crate::SharedImage) between two blocks.
#[derive(Debug)]
pub struct SharedCache {
    origin: Origin,
    /// What each memory that maps the file gets for its first bytes: the tag is set here.
    header: [u8; HEADER],
    file: PageFile,
    pages_taken_up: u64,
}

const HEADER: usize = HEADER_BYTES as usize;

impl SharedCache {
    /// The cache in the region at an address of an instance's linear memory, given whole. Where the
    /// instance [began](Self::map_over) with what `before` holds, only what it wrote is taken up;
    /// all of it otherwise.
    ///
    /// # Errors
    ///
    /// When no region stands there, when the guest has not opened the cache that it began with or
    /// was stopped in the middle of an operation, and when the system refuses.
    pub(crate) fn after(
        before: Option<Self>,
        began: Option<Lease>,
        memory: &[u8],
        base: u32,
        module: Digest,
    ) -> Result<Self, ImageError> {
        let region = memory.get(base as usize..).unwrap_or_default();
        let info = left_in(region)?;
        let region = region.get(..used(&info)).ok_or(ImageError::Short)?;
        let origin = Origin { base, module, info };
        match (before, began) {
            (Some(mut cache), Some(lease)) if cache.file.is_base_of(&lease) => {
                drop(lease);
                cache.take_up(region)?;
                cache.origin = origin;
                Ok(cache)
            }
            _ => SharedCache::new(origin, region),
        }
    }

    fn new(origin: Origin, region: &[u8]) -> Result<Self, ImageError> {
        let [front, arena] = origin
            .info
            .image_parts()
            .map(|part| part.start as usize..part.end as usize);
        let file = PageFile::new(region, &[front, arena]).map_err(ImageError::Share)?;
        Ok(SharedCache {
            origin,
            header: header_of(region)?,
            pages_taken_up: file.pages(),
            file,
        })
    }

    fn take_up(&mut self, region: &[u8]) -> Result<(), ImageError> {
        self.header = header_of(region)?;
        self.pages_taken_up = self.file.take_up(region).map_err(ImageError::Share)?;
        Ok(())
    }

    /// Maps it where it stood in an instance's linear memory, given whole, at constant cost. The
    /// guest then attaches to it, and writes to its own pages alone.
    pub(crate) fn map_over(
        &self,
        memory: &mut [u8],
        status: Status,
        _: OwnPages,
    ) -> Result<Lease, ImageError> {
        let (need, have) = (self.memory_needed(), memory.len() as u64);
        if have < need {
            return Err(ImageError::Memory { need, have });
        }
        let room = &mut memory[self.origin.base as usize..];
        // SAFETY: whoever made the `OwnPages` guarantees the pages under the memory. Nobody but
        // the runner calls this, and an instance ends its lease when its memory is not read any
        // more.
        let lease = unsafe { self.file.map_over(room) }.map_err(ImageError::Share)?;
        room[..HEADER].copy_from_slice(&self.header);
        seal(&mut room[..HEADER], status)?;
        Ok(lease)
    }

    /// Pages of the operating system that the last block wrote; all pages where the cache was taken
    /// up whole.
    #[must_use]
    pub fn pages_taken_up(&self) -> u64 {
        self.pages_taken_up
    }

    /// The cache as it is now, for a file that another thread writes while blocks go on. Constant
    /// cost; it counts as a view until it is dropped.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub fn snapshot(&self) -> Result<CacheSnapshot, ImageError> {
        let mut pages = Pages::reserve(self.file.len()).map_err(ImageError::Share)?;
        // SAFETY: the pages are a private mapping of our own, which is not read after its lease.
        let lease = unsafe { self.file.map_over(pages.bytes_mut()) }.map_err(ImageError::Share)?;
        pages.bytes_mut()[..HEADER].copy_from_slice(&self.header);
        Ok(CacheSnapshot {
            lease,
            held: HeldRegion {
                origin: self.origin.clone(),
                pages,
            },
        })
    }
}

/// A [`SharedCache`] as it was after one block.
#[derive(Debug)]
pub struct CacheSnapshot {
    lease: Lease,
    held: HeldRegion,
}

impl CacheSnapshot {
    /// A copy that is verified whole, as [`HeldRegion::image`] makes it. Takes time in proportion
    /// to the bytes in use.
    ///
    /// # Errors
    ///
    /// When anything in it is damaged.
    pub fn image(&self) -> Result<RegionImage, ImageError> {
        self.held.image()
    }
}

/// Bytes that are mapped: the used ones, in whole pages of linear memory.
fn used(info: &RegionInfo) -> usize {
    (info.frontier as usize).next_multiple_of(PAGE_BYTES as usize)
}

fn header_of(region: &[u8]) -> Result<[u8; HEADER], ImageError> {
    region.first_chunk().copied().ok_or(ImageError::Short)
}

impl Deref for SharedCache {
    type Target = Origin;

    fn deref(&self) -> &Origin {
        &self.origin
    }
}

impl AsOf for SharedCache {
    fn tag(&self) -> Option<BlockTag> {
        self.origin.tag()
    }

    fn set_tag(&mut self, tag: BlockTag) {
        self.origin.set_tag(&mut self.header, tag);
    }

    fn cut_back(&mut self, taken_at: u32, height: u32) -> Result<(), ImageError> {
        let CacheSnapshot { lease, mut held } = self.snapshot()?;
        held.cut_back(taken_at, height)?;
        drop(lease);
        // What is used may end earlier now, and an instance's memory with it.
        self.take_up(&held.pages.bytes()[..used(held.info())])?;
        self.origin = held.origin.clone();
        Ok(())
    }
}
