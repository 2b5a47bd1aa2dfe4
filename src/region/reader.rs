//! What a copy of a region's bytes holds: for hosts and tools, which read it without calling the
//! guest.
//!
//! Total: whatever the bytes are, every walk is bounded by them and nothing panics.

use core::mem::offset_of;

use super::block::{Bucket, EntryHeader, FreeHeader};
use super::geometry::{BUCKET_BYTES, ENTRY_HEADER_BYTES, Geometry, MAX_FIRST_PAGES, SLOTS};
use super::header::{HEADER_BYTES, NAMED_POOLS};
use super::info::{FormatError, RegionInfo};

/// A block smaller than this cannot be.
const LEAST_BLOCK_BYTES: u32 = 8;

/// A region as its bytes have it. Offsets and sizes in bytes, offsets from the region's start.
///
/// ```
/// use steadfast::region::{FormatError, RegionReader};
///
/// assert_eq!(RegionReader::of(&[0; 4096]).err(), Some(FormatError::NotARegion));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RegionReader<'a> {
    bytes: &'a [u8],
    info: RegionInfo,
    geometry: Geometry,
}

/// A block of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockInfo<'a> {
    /// Where it begins.
    pub offset: u32,
    /// Its length, header and rounding included.
    pub bytes: u32,
    /// What is in it; `None` for a free block.
    pub entry: Option<EntryInfo<'a>>,
}

/// An entry of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryInfo<'a> {
    /// The pool's place in [`Stats::pools`](super::Stats::pools); 3 is none of them.
    pub pool: usize,
    /// The height that wrote it; in the pool of views, the view's.
    pub height: u32,
    /// The key.
    pub key: &'a [u8],
    /// Bytes of the value.
    pub value_bytes: u32,
    /// How many new entries ago it was last used, to a multiple of [`RegionReader::age_step`].
    /// Entries that have not been used for 32 steps look younger than they are, but not in
    /// [`RegionReader::recent`].
    pub age: u32,
}

impl<'a> RegionReader<'a> {
    /// Reads the header of a region. Constant cost.
    ///
    /// # Errors
    ///
    /// As [`RegionInfo::read`].
    pub fn of(region: &'a [u8]) -> Result<Self, FormatError> {
        let info = RegionInfo::read(region)?;
        let geometry = Geometry::new(info.limit, info.expected_entry);
        let geometry = geometry.ok_or(FormatError::Damaged)?;
        Ok(RegionReader {
            bytes: region,
            info,
            geometry,
        })
    }

    /// What the header tells.
    #[must_use]
    pub fn info(&self) -> &RegionInfo {
        &self.info
    }

    /// New entries between two ages that can be told apart.
    #[must_use]
    pub fn age_step(&self) -> u32 {
        1_u32
            .checked_shl(self.geometry.stamp_shift)
            .unwrap_or(u32::MAX)
    }

    /// The share of the index's slots that hold an entry, among the buckets in use.
    #[must_use]
    pub fn index_load(&self) -> f64 {
        let slots = u64::from(self.info.buckets) * SLOTS as u64;
        if slots == 0 {
            return 0.0;
        }
        f64::from(self.info.stats.entries) / slots as f64
    }

    /// How many buckets of the index, of those in use, hold no entry, one, and so on up to
    /// [`SLOTS`]. Fewer than are in use where the bytes that were given end. Linear in the
    /// index.
    #[must_use]
    pub fn buckets_by_load(&self) -> [u32; SLOTS + 1] {
        let mut counts = [0; SLOTS + 1];
        for number in 0..self.info.buckets {
            let Some(taken) = self.taken(number) else {
                break;
            };
            counts[taken] += 1;
        }
        counts
    }

    /// The slots of a bucket that hold an entry: those with a tag. None of a bucket that nobody has
    /// written since its page was last declared stale.
    fn taken(&self, bucket: u32) -> Option<usize> {
        let at = HEADER_BYTES.checked_add(bucket.checked_mul(BUCKET_BYTES)?)? as usize;
        let tags = self.bytes.get(at + offset_of!(Bucket, tags)..)?;
        let tags: &[u8; SLOTS] = tags.first_chunk()?;
        match self.is_stale(self.geometry.page_of(bucket)) {
            true => Some(0),
            false => Some(tags.iter().filter(|tag| **tag != 0).count()),
        }
    }

    fn is_stale(&self, page: u32) -> bool {
        let ready = self.info.ready.get(page as usize / 32).copied();
        page < MAX_FIRST_PAGES
            && page < self.info.stale_pages
            && ready.unwrap_or(0) & (1 << (page % 32)) == 0
    }

    /// The arena's blocks in the order of addresses, up to the frontier. Ends early at a block that
    /// cannot be one, or where the bytes that were given end.
    pub fn blocks(&self) -> impl Iterator<Item = BlockInfo<'a>> + use<'a> {
        let reader = *self;
        let mut at = reader.info.arena_start;
        core::iter::from_fn(move || {
            let block = reader.block(at)?;
            at = at.checked_add(block.bytes)?;
            Some(block)
        })
    }

    /// A pool's entries, the one used last first, so that none is younger than the one before. Ends
    /// early where links leave the arena or run in a circle: all together have no more bytes than
    /// the arena.
    pub fn recent(&self, pool: usize) -> impl Iterator<Item = BlockInfo<'a>> + use<'a> {
        let reader = *self;
        let account = reader.info.pools.get(pool);
        let account = account.filter(|_| pool < NAMED_POOLS);
        let counted = account.map_or(0, |account| account.entries);
        let mut left = counted.min(reader.info.capacity / ENTRY_HEADER_BYTES);
        let mut at = account.map_or(0, |account| account.newest);
        let mut bytes_left = reader.info.frontier - reader.info.arena_start;
        let cycle = self.age_step().saturating_mul(EntryHeader::AGES);
        let mut least_age = 0_u32;
        core::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let mut block = reader.block(at)?;
            bytes_left = bytes_left.checked_sub(block.bytes)?;
            at = reader.header(at)?.older;
            let entry = block.entry.as_mut().filter(|entry| entry.pool == pool)?;
            let cycles = least_age.saturating_sub(entry.age).div_ceil(cycle);
            entry.age = entry.age.saturating_add(cycles.saturating_mul(cycle));
            least_age = entry.age;
            Some(block)
        })
    }

    /// The header of an entry, if one stands there.
    fn header(&self, offset: u32) -> Option<EntryHeader> {
        EntryHeader::read(self.bytes.get(offset as usize..)?)
    }

    fn block(&self, offset: u32) -> Option<BlockInfo<'a>> {
        let frontier = self.info.frontier;
        if !(self.info.arena_start..frontier).contains(&offset) {
            return None;
        }
        let first = self.bytes.get(offset as usize..)?.first_chunk()?;
        let first = u32::from_le_bytes(*first);
        let (bytes, entry) = if FreeHeader::is_tag(first) {
            (FreeHeader::bytes_of(first), None)
        } else {
            let header = self.header(offset)?;
            (header.block_bytes(), Some(self.entry(offset, &header)?))
        };
        let fits = bytes >= LEAST_BLOCK_BYTES && bytes <= frontier - offset;
        fits.then_some(BlockInfo {
            offset,
            bytes,
            entry,
        })
    }

    fn entry(&self, offset: u32, header: &EntryHeader) -> Option<EntryInfo<'a>> {
        let key_at = (offset as usize).checked_add(ENTRY_HEADER_BYTES as usize)?;
        let now = self.info.stamp(self.geometry.stamp_shift);
        Some(EntryInfo {
            pool: header.pool(),
            height: header.height,
            key: self
                .bytes
                .get(key_at..key_at.checked_add(header.key_len() as usize)?)?,
            value_bytes: header.value_len(),
            age: header.age(now).saturating_mul(self.age_step()),
        })
    }
}

/// Empties the cache whose region these bytes are, or begin to be, as
/// [`Cache::clear`](crate::Cache::clear) does: at constant cost, with its counters as they were.
/// For a host, while the guest is in none of the cache's operations.
///
/// # Errors
///
/// As [`RegionInfo::read`]. Nothing is written then.
pub fn clear(region: &mut [u8]) -> Result<(), FormatError> {
    let mut header = *RegionInfo::read(region)?;
    let geometry = Geometry::new(header.limit, header.expected_entry);
    let geometry = geometry.ok_or(FormatError::Damaged)?;
    header.clear(&geometry, geometry.first_pages());
    header.write(region);
    Ok(())
}
