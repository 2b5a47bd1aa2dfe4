//! The header at the region's start.

use core::mem::offset_of;

use bytemuck::{Pod, Zeroable};
use xxhash_rust::xxh64::xxh64;

use super::RegionParts;
use super::geometry::{Geometry, MAX_FIRST_PAGES};
use super::image::{AttachError, Status};
use super::info::FormatError;

/// The version of the region's format that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 8;
/// Bytes of the header; the index follows.
pub const HEADER_BYTES: u32 = size_of::<Header>() as u32;
/// Bytes of the tag that the user may set.
pub const USER_TAG_BYTES: usize = 40;

/// Sizes below this have a bin for every four bytes.
pub(crate) const LINEAR_BIN_BYTES: u32 = 512;
const LINEAR_BINS: usize = (LINEAR_BIN_BYTES / 4) as usize;
/// Bins of free blocks: linear below `LINEAR_BIN_BYTES`, then eight to each power of two.
pub(crate) const BINS: usize = LINEAR_BINS + (32 - LINEAR_BIN_BYTES.ilog2() as usize) * 8;
/// Words of the bitmap of bins that are not empty.
pub(crate) const BIN_WORDS: usize = BINS.div_ceil(32);
pub(super) const MAGIC: [u8; 8] = *b"steadfst";
const POOLS: usize = 4;
/// Pools in use; the header has room for one more.
pub(super) const NAMED_POOLS: usize = 3;
/// Tells bytes that were written in another order than they are read in.
const BYTE_ORDER: u32 = 0x0403_0201;

/// The account of one pool, as the header has it: a recency list with a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct PoolHeader {
    /// Offset of the entry used last; 0 for none.
    pub newest: u32,
    /// Offset of the entry that was not used for longest; 0 for none.
    pub oldest: u32,
    /// Entries held.
    pub entries: u32,
    /// Bytes of the pool's blocks.
    pub used_bytes: u32,
    /// What the pool's blocks may take, in bytes; `u32::MAX` for no limit.
    pub quota_bytes: u32,
    reserved: u32,
    /// Lookups that found their key.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Entries evicted because they were the oldest.
    pub evictions: u64,
    reserved_counters: [u64; 2],
}

/// The header at the region's start, as it lies in memory. Offsets count from the region's start,
/// and sizes are in bytes.
///
/// Its fields are plain integers, so any bytes are a header, if perhaps a nonsensical one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Header {
    /// `steadfst`.
    pub magic: [u8; 8],
    /// The version of the format.
    pub format: u32,
    /// Bytes of the header.
    pub header_bytes: u32,
    /// The plan that the region was made for.
    pub plan_fingerprint: u64,
    /// The name of the hash, padded with zeros.
    pub hash: [u8; 16],
    /// Bytes of the whole region.
    pub capacity: u32,
    /// The capacity that the index is sized for.
    pub limit: u32,
    /// The plan's expected entry.
    pub expected_entry: u32,
    /// As in the [`Geometry`], which follows from `limit` and `expected_entry`; so do the next
    /// four.
    pub group_buckets: u32,
    /// As there.
    pub levels: u32,
    /// As there.
    pub first_level: u32,
    /// Offset of the arena.
    pub arena_start: u32,
    /// An access stamp is the clock shifted right by it.
    pub stamp_shift: u32,
    status: u32,
    /// The tag that the user has set.
    pub user_tag: [u8; USER_TAG_BYTES],
    /// Offset of the first byte of the arena that has never been used since the cache was last
    /// empty.
    pub frontier: u32,
    /// Bytes of free blocks below the frontier.
    pub free_bytes: u32,
    /// Buckets of the index in use.
    pub buckets: u32,
    /// Of those, how many there were when the number of groups was last a power of two: the others
    /// are split off them.
    pub whole_buckets: u32,
    /// Twice that number of groups, less one.
    pub group_mask: u32,
    /// Entries in the index.
    pub indexed: u32,
    /// Counts entries that were made.
    pub clock: u32,
    /// Pages of the index below this one held unknown bytes when the cache was last emptied...
    pub stale_pages: u32,
    /// ...and so many of them have not been cleared yet.
    pub stale_left: u32,
    /// Entries written.
    pub inserts: u64,
    /// Entries evicted because the index had no slot for a new key, or too many of its tag.
    pub displaced: u64,
    /// Entries evicted to clear a window for a large value.
    pub window_evictions: u64,
    /// Entries moved to their other bucket to make place.
    pub relocated: u64,
    /// Times that damage was found and the cache started over.
    pub faults: u64,
    /// Inserts refused because the entry cannot fit.
    pub refused: u64,
    /// What the host calls the module; 0 if it does not say.
    pub module_tag: u64,
    /// Of an image: covers the index and the arena.
    pub contents_checksum: u64,
    /// Of an image: covers the header but for this field.
    pub header_checksum: u64,
    /// Tells the order of bytes.
    pub byte_order: u32,
    /// The height that entries are written at, but for those of views.
    pub height: u32,
    /// The pools: main, views, application, and one that is not in use.
    pub pools: [PoolHeader; POOLS],
    /// A bit for each word of `bin_map` that is not zero.
    pub bin_summary: u32,
    /// A bit for each bin that is not empty.
    pub bin_map: [u32; BIN_WORDS],
    /// The first free block of each bin; only meaningful where the bin's bit is set.
    pub bins: [u32; BINS],
    /// A bit for each stale page of the index that has been cleared since.
    pub ready: [u32; (MAX_FIRST_PAGES / 32) as usize],
    /// Not 0 while an invalidation is not over yet...
    pub sweeping: u32,
    /// ...of what was written above this height.
    pub sweep_above: u32,
    /// The free block that an eviction left over last, which is in no bin; 0 for none.
    pub rest: u32,
    reserved: [u32; 14],
}

impl Header {
    /// The header that bytes begin with, whatever they are.
    pub(super) fn read(bytes: &[u8]) -> Result<Header, FormatError> {
        let header = bytes.get(..HEADER_BYTES as usize);
        let header = header.ok_or(FormatError::Truncated { given: bytes.len() })?;
        Ok(bytemuck::pod_read_unaligned(header))
    }

    /// Replaces the header that bytes begin with, if they are long enough.
    pub(super) fn write(&self, bytes: &mut [u8]) {
        if let Some(header) = bytes.get_mut(..HEADER_BYTES as usize) {
            header.copy_from_slice(bytemuck::bytes_of(self));
        }
    }

    /// Writes identity and geometry over a header that is zero.
    pub(crate) fn describe(
        &mut self,
        geometry: &Geometry,
        expected_entry: u32,
        plan_fingerprint: u64,
        module_tag: u64,
        hash: [u8; 16],
    ) {
        self.magic = MAGIC;
        self.byte_order = BYTE_ORDER;
        self.format = FORMAT_VERSION;
        self.header_bytes = HEADER_BYTES;
        self.plan_fingerprint = plan_fingerprint;
        self.module_tag = module_tag;
        self.hash = hash;
        self.limit = geometry.limit;
        self.expected_entry = expected_entry;
        self.group_buckets = geometry.group_buckets;
        self.levels = geometry.levels;
        self.first_level = geometry.first_level;
        self.arena_start = geometry.arena_start;
        self.stamp_shift = geometry.stamp_shift;
        self.status = Status::Open as u32;
        self.frontier = geometry.arena_start;
        self.begin_index(geometry);
        for pool in &mut self.pools {
            pool.quota_bytes = u32::MAX;
        }
    }

    /// The account of the pool with this number.
    #[inline]
    pub(crate) fn pool(&self, number: usize) -> &PoolHeader {
        &self.pools[number % POOLS]
    }

    /// As [`pool`](Self::pool), to be written.
    #[inline]
    pub(crate) fn pool_mut(&mut self, number: usize) -> &mut PoolHeader {
        &mut self.pools[number % POOLS]
    }

    /// Makes a free block the first of a bin. Returns the one that was; 0 for none.
    #[inline]
    pub(crate) fn push_bin(&mut self, bin: usize, at: u32) -> u32 {
        let (word, bit) = (bin / 32, 1 << (bin % 32));
        let (Some(first), Some(bits)) = (self.bins.get_mut(bin), self.bin_map.get_mut(word)) else {
            return 0;
        };
        let second = core::mem::replace(first, at);
        if *bits & bit != 0 {
            return second;
        }
        *bits |= bit;
        self.bin_summary |= 1 << word;
        0
    }

    /// Makes another free block the first of a bin that has one; 0 for none.
    #[inline]
    pub(crate) fn set_bin(&mut self, bin: usize, at: u32) {
        let (word, bit) = (bin / 32, 1 << (bin % 32));
        let (Some(first), Some(bits)) = (self.bins.get_mut(bin), self.bin_map.get_mut(word)) else {
            return;
        };
        *first = at;
        if at == 0 {
            *bits &= !bit;
            if *bits == 0 {
                self.bin_summary &= !(1 << word);
            }
        }
    }

    /// The index as it is when the cache is empty.
    fn begin_index(&mut self, geometry: &Geometry) {
        self.buckets = geometry.first_buckets();
        self.whole_buckets = self.buckets;
        self.group_mask = (2 << geometry.first_level) - 1;
        self.indexed = 0;
    }

    /// Forgets all entries. The first `stale_pages` pages of the index are cleared when they are
    /// next written.
    pub(crate) fn clear(&mut self, geometry: &Geometry, stale_pages: u32) {
        for pool in &mut self.pools {
            (pool.newest, pool.oldest, pool.entries, pool.used_bytes) = (0, 0, 0, 0);
        }
        self.frontier = geometry.arena_start;
        self.free_bytes = 0;
        self.rest = 0;
        self.bin_summary = 0;
        self.bin_map = [0; BIN_WORDS];
        self.begin_index(geometry);
        self.ready = [0; (MAX_FIRST_PAGES / 32) as usize];
        self.stale_pages = stale_pages;
        self.stale_left = stale_pages;
        self.sweeping = 0;
    }

    /// Begins to count anew.
    pub(crate) fn reset_counters(&mut self) {
        for pool in &mut self.pools {
            (pool.hits, pool.misses, pool.evictions) = (0, 0, 0);
        }
        (self.inserts, self.displaced, self.window_evictions) = (0, 0, 0);
        (self.relocated, self.faults, self.refused) = (0, 0, 0);
    }

    /// What an image of the region could be.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        Status::from_code(self.status)
    }

    /// Whether the status is [`Status::Open`].
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        self.status == Status::Open as u32
    }

    pub(crate) fn set_status(&mut self, status: Status) {
        self.status = status as u32;
    }

    /// The height above which entries are still to be dropped, if any are.
    pub(crate) fn sweep_above(&self) -> Option<u32> {
        (self.sweeping != 0).then_some(self.sweep_above)
    }

    /// Notes that entries above a height are still to be dropped, or that none are.
    pub(crate) fn set_sweep(&mut self, above: Option<u32>) {
        self.sweeping = u32::from(above.is_some());
        self.sweep_above = above.unwrap_or(0);
    }

    /// Whether identity and geometry still read as they were written.
    pub(crate) fn describes(&self, geometry: &Geometry) -> bool {
        let same = (
            self.limit,
            self.group_buckets,
            self.levels,
            self.first_level,
            self.arena_start,
            self.stamp_shift,
        ) == (
            geometry.limit,
            geometry.group_buckets,
            geometry.levels,
            geometry.first_level,
            geometry.arena_start,
            geometry.stamp_shift,
        );
        same && self.magic == MAGIC && self.format == FORMAT_VERSION
    }

    /// The geometry of the image that this header leads, where it is one that a region like this
    /// can take over.
    pub(crate) fn acceptable(
        &self,
        parts: &RegionParts,
        hash: [u8; 16],
    ) -> Result<Geometry, AttachError> {
        if self.magic != MAGIC {
            return Err(AttachError::NoImage);
        }
        if (self.format, self.byte_order, self.header_bytes, self.hash)
            != (FORMAT_VERSION, BYTE_ORDER, HEADER_BYTES, hash)
        {
            return Err(AttachError::Format);
        }
        if (self.plan_fingerprint, self.expected_entry)
            != (parts.plan_fingerprint, parts.expected_entry)
        {
            return Err(AttachError::Plan);
        }
        if self.module_tag != parts.module_tag {
            return Err(AttachError::Module);
        }
        let geometry =
            Geometry::new(self.limit, self.expected_entry).ok_or(AttachError::Damaged)?;
        if self.is_sound(&geometry) {
            Ok(geometry)
        } else {
            Err(AttachError::Damaged)
        }
    }

    /// Whether the geometry is this one, and the rest does not contradict it.
    pub(super) fn is_sound(&self, geometry: &Geometry) -> bool {
        self.describes(geometry)
            && self.header_bytes == HEADER_BYTES
            && geometry.admits([self.buckets, self.whole_buckets, self.group_mask])
            && self.stale_pages <= geometry.first_pages()
            && (geometry.arena_start..=self.capacity).contains(&self.frontier)
            && self.capacity <= geometry.limit
    }

    /// Whether the checksum over the header is right.
    pub(crate) fn is_checked(&self) -> bool {
        self.header_checksum == self.sum()
    }

    /// The checksum over the header, its own field left out.
    fn sum(&self) -> u64 {
        const AT: usize = offset_of!(Header, header_checksum);
        let (before, rest) = bytemuck::bytes_of(self).split_at(AT);
        xxh64(&rest[size_of::<u64>()..], xxh64(before, 0))
    }

    /// Sets the status, and the checksum that then holds: none while the region is in use.
    pub(super) fn seal(&mut self, status: Status) {
        self.set_status(status);
        self.header_checksum = match status {
            Status::Open | Status::Changing => 0,
            Status::Closed | Status::Sealed | Status::Shared => self.sum(),
        };
    }

    /// The access stamp of now: the clock of new entries, coarser. An entry keeps its lowest bits.
    #[inline]
    pub(crate) fn stamp(&self, shift: u32) -> u8 {
        self.clock.wrapping_shr(shift) as u8
    }

    /// Moves the clock on, and returns the access stamp of now.
    #[inline]
    pub(crate) fn tick(&mut self, shift: u32) -> u8 {
        self.clock = self.clock.wrapping_add(1);
        self.stamp(shift)
    }
}

const _: () = {
    assert!(HEADER_BYTES == 1856);
    assert!(offset_of!(Header, user_tag) == 76);
    assert!(offset_of!(Header, inserts) == 152);
    assert!(offset_of!(Header, pools) == 232);
    assert!(offset_of!(Header, reserved) == 1800);
    assert!(size_of::<PoolHeader>() == 64);
};
