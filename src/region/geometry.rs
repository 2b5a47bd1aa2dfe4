//! Where things stand in a region, as a function of its capacity and the plan's expected entry alone.

use super::header::HEADER_BYTES;

/// Bytes of bookkeeping in front of an entry's key.
pub const ENTRY_HEADER_BYTES: u32 = 20;
/// Slots in a bucket of the index.
pub const WAYS: usize = 12;
/// Bytes of a bucket: one cache line.
pub const BUCKET_BYTES: u32 = 64;
/// The longest key, in bytes.
pub const MAX_KEY_BYTES: u32 = u16::MAX as u32;
/// The longest value, in bytes: the three bits above it hold flags.
pub const MAX_VALUE_BYTES: u32 = (1 << 29) - 1;

/// Entries that a bucket is planned for, in halves: 10.5 of 12, a load of .875. At that load, with two candidate
/// buckets and one relocation, simulated churn displaces less than one insert in a million.
const PLANNED_HALF_WAYS: u64 = 21;
/// The index is cleared in pages of at least this size...
const MIN_INDEX_PAGE_SHIFT: u32 = 12;
/// ...and of at most this number, which bounds the bitmap in the header.
pub(crate) const MAX_INDEX_PAGES: u32 = 4096;

/// The bytes that an entry takes in the arena, or `None` if key or value are longer than the format can say.
#[must_use]
pub const fn block_bytes(key_bytes: usize, value_bytes: usize) -> Option<u32> {
    if key_bytes > MAX_KEY_BYTES as usize || value_bytes > MAX_VALUE_BYTES as usize {
        return None;
    }
    Some((ENTRY_HEADER_BYTES + key_bytes as u32 + value_bytes as u32 + 1) & !1)
}

/// The fixed layout of a region: header, index, arena, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The capacity, in bytes, that the index is sized for.
    pub limit: u32,
    /// Buckets of the index, an even number, at least two.
    pub buckets: u32,
    /// Offset of the arena, in which the entries stand.
    pub arena_start: u32,
    /// The index is cleared lazily in pages of `1 << index_page_shift` bytes.
    pub index_page_shift: u32,
    /// An entry's age is counted in steps of `1 << stamp_shift` promotions and inserts.
    pub stamp_shift: u32,
}

impl Geometry {
    /// The geometry of a region of `limit` bytes with entries of `expected_entry` bytes (key and value), or `None` if it
    /// cannot hold a header, two buckets and one entry.
    #[must_use]
    pub fn new(limit: u32, expected_entry: u32) -> Option<Geometry> {
        let room = u64::from(limit.checked_sub(HEADER_BYTES)?);
        let block = u64::from(ENTRY_HEADER_BYTES) + u64::from(expected_entry.max(1));
        let pair_and_its_entries = 4 * u64::from(BUCKET_BYTES) + 2 * PLANNED_HALF_WAYS * block;
        let pairs = (2 * room).div_ceil(pair_and_its_entries).max(1) as u32;
        let buckets = 2 * pairs;
        let index_bytes = buckets * BUCKET_BYTES;
        let arena_start = HEADER_BYTES + index_bytes;
        let arena_bytes = limit.checked_sub(arena_start)?;
        if arena_bytes < ENTRY_HEADER_BYTES {
            return None;
        }
        let mut index_page_shift = MIN_INDEX_PAGE_SHIFT;
        while index_bytes.div_ceil(1 << index_page_shift) > MAX_INDEX_PAGES {
            index_page_shift += 1;
        }
        let entries = u64::from(arena_bytes) / block;
        let stamp_shift = (entries | 1).ilog2().saturating_sub(10);
        Some(Geometry {
            limit,
            buckets,
            arena_start,
            index_page_shift,
            stamp_shift,
        })
    }

    /// Bytes of the index.
    #[must_use]
    pub fn index_bytes(&self) -> u32 {
        self.arena_start - HEADER_BYTES
    }

    /// Pages in which the index is cleared.
    pub(crate) fn index_pages(&self) -> u32 {
        self.index_bytes().div_ceil(1 << self.index_page_shift)
    }

    /// The page of the index on which a bucket stands.
    pub(crate) fn page_of(&self, bucket: u32) -> u32 {
        (bucket * BUCKET_BYTES) >> self.index_page_shift
    }

    /// The capacity below which this geometry has no room for an entry.
    pub(crate) fn least_capacity(&self) -> u32 {
        self.arena_start + ENTRY_HEADER_BYTES
    }
}
