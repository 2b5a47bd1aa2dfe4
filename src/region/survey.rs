//! What a copy of a region's bytes holds: for hosts and tools, which read it without calling the guest.
//!
//! Total: whatever the bytes are, every walk is bounded by them and nothing panics.

use core::mem::offset_of;

use super::block::{EntryHeader, STAMP_MASK};
use super::geometry::{BUCKET_BYTES, ENTRY_HEADER_BYTES, Geometry, MAX_FIRST_PAGES, SLOTS};
use super::header::{BIN_WORDS, HEADER_BYTES, Header, POOLS, Pool};
use super::inspect::{FormatError, RegionInfo, inspect};

/// A block smaller than this cannot be.
const LEAST_BLOCK_BYTES: u32 = 8;

/// A region as its bytes have it. Offsets and sizes in bytes, offsets from the region's start.
///
/// ```
/// use steadfast::region::{FormatError, Survey};
///
/// assert_eq!(Survey::of(&[0; 4096]).err(), Some(FormatError::NotARegion));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Survey<'a> {
    bytes: &'a [u8],
    info: RegionInfo,
    geometry: Geometry,
    clock: u32,
}

/// A block of the arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block<'a> {
    /// Where it begins.
    pub offset: u32,
    /// Its length, header and rounding included.
    pub bytes: u32,
    /// What is in it; `None` for a free block.
    pub entry: Option<Entry<'a>>,
}

/// An entry of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The pool's place in [`RegionInfo::pools`]; 3 is none of them.
    pub pool: usize,
    /// The height that wrote it; in the pool of views, the view's.
    pub height: u32,
    /// The key.
    pub key: &'a [u8],
    /// Bytes of the value.
    pub value_bytes: u32,
    /// How many promotions and inserts ago it was last used, to a multiple of [`Survey::age_step`]. Entries that have not been
    /// used for 16,384 steps look younger than they are.
    pub age: u32,
}

impl<'a> Survey<'a> {
    /// Reads the header of a region. Constant cost.
    ///
    /// # Errors
    ///
    /// As [`inspect`].
    pub fn of(region: &'a [u8]) -> Result<Self, FormatError> {
        let info = inspect(region)?;
        let geometry = Geometry::new(info.limit, info.expected_entry);
        let geometry = geometry.ok_or(FormatError::Damaged)?;
        Ok(Survey {
            bytes: region,
            info,
            geometry,
            clock: word(region, offset_of!(Header, clock) as u32).unwrap_or(0),
        })
    }

    /// What the header tells.
    #[must_use]
    pub fn info(&self) -> &RegionInfo {
        &self.info
    }

    /// Promotions and inserts between two ages that can be told apart.
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
        f64::from(self.info.entries) / slots as f64
    }

    /// How many buckets of the index, of those in use, hold no entry, one, and so on up to [`SLOTS`]. Fewer than are in use where the
    /// bytes that were given end. Linear in the index.
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

    /// The slots of a bucket that hold an entry: those with a tag. None of a bucket that nobody has written since its page was last
    /// declared stale.
    fn taken(&self, bucket: u32) -> Option<usize> {
        let at = HEADER_BYTES.checked_add(bucket.checked_mul(BUCKET_BYTES)?)? as usize;
        let tags: &[u8; SLOTS] = self.bytes.get(at..)?.first_chunk()?;
        match self.is_stale(self.geometry.page_of(bucket)) {
            true => Some(0),
            false => Some(tags.iter().filter(|tag| **tag != 0).count()),
        }
    }

    fn is_stale(&self, page: u32) -> bool {
        let header = |at: usize| word(self.bytes, at as u32).unwrap_or(0);
        let ready = offset_of!(Header, ready) + 4 * (page / 32) as usize;
        page < MAX_FIRST_PAGES
            && page < header(offset_of!(Header, stale_pages))
            && header(ready) & (1 << (page % 32)) == 0
    }

    /// The arena's blocks in the order of addresses, up to the frontier. Ends early at a block that cannot be one, or where the
    /// bytes that were given end.
    pub fn blocks(&self) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let survey = *self;
        let mut at = survey.info.arena_start;
        core::iter::from_fn(move || {
            let block = survey.block(at)?;
            at = at.checked_add(block.bytes)?;
            Some(block)
        })
    }

    /// A pool's entries, the one used last first. Ends early where links leave the arena or run in a
    /// circle: all together have no more bytes than the arena.
    pub fn recent(&self, pool: usize) -> impl Iterator<Item = Block<'a>> + use<'a> {
        let survey = *self;
        let counted = survey.info.pools.get(pool).map_or(0, |pool| pool.entries);
        let mut left = counted.min(survey.info.capacity / ENTRY_HEADER_BYTES);
        let newest = survey
            .newest(pool)
            .filter(|_| pool < survey.info.pools.len());
        let mut at = newest.unwrap_or(0);
        let mut bytes_left = survey.info.frontier - survey.info.arena_start;
        core::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let block = survey.block(at)?;
            bytes_left = bytes_left.checked_sub(block.bytes)?;
            at = word(
                survey.bytes,
                at.checked_add(offset_of!(EntryHeader, older) as u32)?,
            )?;
            block
                .entry
                .is_some_and(|entry| entry.pool == pool)
                .then_some(block)
        })
    }

    fn newest(&self, pool: usize) -> Option<u32> {
        let pools = offset_of!(Header, pools) as u32;
        let newest = offset_of!(Pool, newest) as u32;
        let pool = pool as u32 * size_of::<Pool>() as u32;
        word(self.bytes, pools + pool + newest)
    }

    fn block(&self, offset: u32) -> Option<Block<'a>> {
        let frontier = self.info.frontier;
        if !(self.info.arena_start..frontier).contains(&offset) {
            return None;
        }
        let first = word(self.bytes, offset)?;
        let (bytes, entry) = if first & 1 != 0 {
            (first & !1, None)
        } else {
            let header = EntryHeader::read(self.bytes.get(offset as usize..)?)?;
            (header.block_bytes(), Some(self.entry(offset, &header)?))
        };
        let fits = bytes >= LEAST_BLOCK_BYTES && bytes <= frontier - offset;
        fits.then_some(Block {
            offset,
            bytes,
            entry,
        })
    }

    fn entry(&self, offset: u32, header: &EntryHeader) -> Option<Entry<'a>> {
        let key_at = (offset as usize).checked_add(ENTRY_HEADER_BYTES as usize)?;
        let now = self.clock.wrapping_shr(self.geometry.stamp_shift) as u16 & STAMP_MASK;
        let steps = now.wrapping_sub(header.stamp()) & STAMP_MASK;
        Some(Entry {
            pool: header.pool(),
            height: header.height,
            key: self
                .bytes
                .get(key_at..key_at.checked_add(header.key_len() as usize)?)?,
            value_bytes: header.value_len(),
            age: u32::from(steps).saturating_mul(self.age_step()),
        })
    }
}

/// Empties the cache whose region these bytes are, or begin to be, as [`Cache::clear`](crate::Cache::clear) does: at constant cost,
/// with its counters as they were. For a host, while the guest is in none of the cache's operations.
///
/// # Errors
///
/// As [`inspect`]. Nothing is written then.
pub fn empty(region: &mut [u8]) -> Result<(), FormatError> {
    let info = inspect(region)?;
    let geometry = Geometry::new(info.limit, info.expected_entry);
    let geometry = geometry.ok_or(FormatError::Damaged)?;
    let list = [
        offset_of!(Pool, newest),
        offset_of!(Pool, oldest),
        offset_of!(Pool, entries),
        offset_of!(Pool, used_bytes),
    ];
    for pool in (0..POOLS).map(|number| offset_of!(Header, pools) + number * size_of::<Pool>()) {
        for field in list {
            set(region, pool + field, 0);
        }
    }
    let buckets = geometry.first_buckets();
    let stale = geometry.first_pages();
    set(region, offset_of!(Header, frontier), info.arena_start);
    set(region, offset_of!(Header, free_bytes), 0);
    set(region, offset_of!(Header, buckets), buckets);
    set(region, offset_of!(Header, whole_buckets), buckets);
    set(
        region,
        offset_of!(Header, group_mask),
        (2 << geometry.first_level) - 1,
    );
    set(region, offset_of!(Header, indexed), 0);
    set(region, offset_of!(Header, stale_pages), stale);
    set(region, offset_of!(Header, stale_left), stale);
    set(region, offset_of!(Header, sweeping), 0);
    set(region, offset_of!(Header, bin_summary), 0);
    for word in 0..BIN_WORDS {
        set(region, offset_of!(Header, bin_map) + 4 * word, 0);
    }
    for word in 0..(MAX_FIRST_PAGES / 32) as usize {
        set(region, offset_of!(Header, ready) + 4 * word, 0);
    }
    Ok(())
}

/// Writes a word of the header, which the bytes have whole.
fn set(region: &mut [u8], at: usize, value: u32) {
    if let Some(place) = region.get_mut(at..at + 4) {
        place.copy_from_slice(&value.to_le_bytes());
    }
}

fn word(bytes: &[u8], at: u32) -> Option<u32> {
    let word = bytes.get(at as usize..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}
