//! Where things stand in a region, as a function of its capacity and the plan's expected entry
//! alone.

use super::header::HEADER_BYTES;

/// Bytes of bookkeeping in front of an entry's key.
pub const ENTRY_HEADER_BYTES: u32 = 22;
/// Blocks of the arena begin at multiples of this, so that the lowest bit of a block's first word
/// can tell a free one.
pub(crate) const BLOCK_ALIGN: u32 = 2;
/// The smallest free block, in bytes: it has its size at both ends.
pub(crate) const LEAST_FREE_BYTES: u32 = 8;
/// What is left over of a block, if it is at most this, is no free block and stays with the entry.
pub const SLACK_BYTES: u32 = LEAST_FREE_BYTES - BLOCK_ALIGN;
/// Slots in a bucket of the index.
pub const SLOTS: usize = 12;
/// Bytes of a bucket: one cache line.
pub const BUCKET_BYTES: u32 = 64;
/// The longest key, in bytes.
pub const MAX_KEY_BYTES: u32 = u16::MAX as u32;
/// The longest value, in bytes: what an entry notes of its block and slot stands above it.
pub const MAX_VALUE_BYTES: u32 = (1 << 25) - 1;

/// Entries that a bucket is planned for, in halves: 9.5 of 12, a load of .79. Entries an eighth
/// smaller than expected still find a place then.
const PLANNED_HALF_SLOTS: u64 = 19;
/// Groups have at least this many buckets, where there are as many. Both buckets of a key stand in
/// one group: the number bounds by how much groups differ in what they hold.
const MIN_GROUP_BUCKETS: u32 = 128;
/// The index begins with at most this many buckets.
const MAX_FIRST_BUCKETS: u32 = MAX_FIRST_PAGES * (INDEX_PAGE_BYTES / BUCKET_BYTES);
/// Buckets that the index begins with are cleared in pages of this size...
pub(crate) const INDEX_PAGE_BYTES: u32 = 2048;
/// ...and these are the most that there can be, which bounds the bitmap in the header.
pub(crate) const MAX_FIRST_PAGES: u32 = 64;

/// The bytes that an entry takes in the arena, or `None` if key or value are longer than the format
/// can say.
#[must_use]
pub const fn block_bytes(key_bytes: usize, value_bytes: usize) -> Option<u32> {
    if key_bytes > MAX_KEY_BYTES as usize || value_bytes > MAX_VALUE_BYTES as usize {
        return None;
    }
    let bytes = ENTRY_HEADER_BYTES + key_bytes as u32 + value_bytes as u32;
    Some((bytes + (BLOCK_ALIGN - 1)) & !(BLOCK_ALIGN - 1))
}

/// The fixed layout of a region: header, index, arena, in this order.
///
/// The index has room for `group_buckets << levels` buckets, in groups of `group_buckets`. It
/// begins with `group_buckets << first_level` of them, and takes the others into use one by one, in
/// order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// The capacity, in bytes, that the index is sized for.
    pub limit: u32,
    /// Buckets in a group, an even number from 2 to 256.
    pub group_buckets: u32,
    /// How many times the number of groups can double from one, at most 16.
    pub levels: u32,
    /// How many times it has doubled when the cache is empty.
    pub first_level: u32,
    /// Offset of the arena, in which the entries stand.
    pub arena_start: u32,
    /// An entry's age is counted in steps of `1 << stamp_shift` new entries.
    pub stamp_shift: u32,
}

impl Geometry {
    /// The geometry of a region of `limit` bytes with entries of `expected_entry` bytes (key and
    /// value), or `None` if it cannot hold a header, two buckets and one entry.
    #[must_use]
    pub fn new(limit: u32, expected_entry: u32) -> Option<Geometry> {
        let room = u64::from(limit.checked_sub(HEADER_BYTES)?);
        let block = u64::from(ENTRY_HEADER_BYTES) + u64::from(expected_entry.max(1));
        let bucket_and_its_entries = 2 * u64::from(BUCKET_BYTES) + PLANNED_HALF_SLOTS * block;
        let planned = (2 * room).div_ceil(bucket_and_its_entries) as u32;
        let levels = (planned / MIN_GROUP_BUCKETS).checked_ilog2().unwrap_or(0);
        let group_buckets = 2 * planned.div_ceil(2 << levels).max(1);
        let first_level = levels.min((MAX_FIRST_BUCKETS / group_buckets).ilog2());
        let arena_start = HEADER_BYTES + (group_buckets << levels) * BUCKET_BYTES;
        let arena_bytes = limit.checked_sub(arena_start)?;
        if arena_bytes < ENTRY_HEADER_BYTES {
            return None;
        }
        let entries = u64::from(arena_bytes) / block;
        let stamp_shift = (entries | 1).ilog2().saturating_sub(3);
        Some(Geometry {
            limit,
            group_buckets,
            levels,
            first_level,
            arena_start,
            stamp_shift,
        })
    }

    /// Bytes of the index, all of its buckets in use.
    #[must_use]
    pub fn index_bytes(&self) -> u32 {
        self.arena_start - HEADER_BYTES
    }

    /// The most buckets that the index can have.
    #[must_use]
    pub fn max_buckets(&self) -> u32 {
        self.group_buckets << self.levels
    }

    /// The buckets that the index begins with.
    pub(crate) fn first_buckets(&self) -> u32 {
        self.group_buckets << self.first_level
    }

    /// Whether an index of this geometry can have come to so many buckets, of which so many are
    /// whole groups, with this mask.
    pub(crate) fn admits(&self, [buckets, whole_buckets, group_mask]: [u32; 3]) -> bool {
        let is_whole = (self.first_level..=self.levels).any(|level| {
            whole_buckets == self.group_buckets << level && group_mask == (2 << level) - 1
        });
        is_whole
            && (whole_buckets..2 * whole_buckets).contains(&buckets)
            && buckets <= self.max_buckets()
    }

    /// Pages of the buckets that the index begins with.
    pub(crate) fn first_pages(&self) -> u32 {
        (self.first_buckets() * BUCKET_BYTES).div_ceil(INDEX_PAGE_BYTES)
    }

    /// The page on which a bucket stands.
    pub(crate) fn page_of(&self, bucket: u32) -> u32 {
        bucket / (INDEX_PAGE_BYTES / BUCKET_BYTES)
    }

    /// The capacity below which this geometry has no room for an entry.
    pub(crate) fn least_capacity(&self) -> u32 {
        self.arena_start + ENTRY_HEADER_BYTES
    }
}
