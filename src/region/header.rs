//! The header at the region's start.

use core::mem::offset_of;
use xxhash_rust::xxh64::xxh64;

use super::RegionParts;
use super::block::STAMP_MASK;
use super::geometry::{Geometry, MAX_FIRST_PAGES};
use super::image::{Cold, Status};
use super::inspect::PoolInfo;

/// The version of the region's format that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 2;
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
pub(super) const POOLS: usize = 4;
/// Pools in use; the header has room for one more.
pub(super) const NAMED_POOLS: usize = 3;
/// Tells bytes that were written in another order than they are read in.
const BYTE_ORDER: u32 = 0x0403_0201;

/// The accounts of one pool: a recency list with a quota.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    pub newest: u32,
    pub oldest: u32,
    pub entries: u32,
    /// Bytes of the pool's blocks.
    pub used_bytes: u32,
    /// What the pool's blocks may take, in bytes.
    pub quota_bytes: u32,
    reserved: u32,
    pub hits: u64,
    pub misses: u64,
    pub evictions: u64,
    reserved_counters: [u64; 2],
}

impl Pool {
    pub fn info(&self) -> PoolInfo {
        PoolInfo {
            entries: self.entries,
            used_bytes: self.used_bytes,
            quota_bytes: self.quota_bytes,
            hits: self.hits,
            misses: self.misses,
            evictions: self.evictions,
        }
    }
}

/// The header. Its fields are plain integers, so any bytes are a header, if perhaps a nonsensical one.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Header {
    pub(super) magic: [u8; 8],
    pub(super) format: u32,
    pub(super) header_bytes: u32,
    pub(super) plan_fingerprint: u64,
    pub(super) hash: [u8; 16],
    pub(super) capacity: u32,
    pub(super) limit: u32,
    pub(super) expected_entry: u32,
    pub(super) group_buckets: u32,
    pub(super) levels: u32,
    pub(super) first_level: u32,
    pub(super) arena_start: u32,
    pub(super) stamp_shift: u32,
    /// A [`Status`].
    pub(super) status: u32,
    pub user_tag: [u8; USER_TAG_BYTES],
    /// Offset of the first byte of the arena that no block has taken.
    pub frontier: u32,
    /// Bytes of the free blocks below the frontier.
    pub free_bytes: u32,
    /// Buckets in use.
    pub buckets: u32,
    /// Of those, how many there were when the number of groups was last a power of two: the others are split off them.
    pub whole_buckets: u32,
    /// Twice that number of groups, less one.
    pub group_mask: u32,
    /// Entries in the index.
    pub indexed: u32,
    /// Counts promotions and inserts.
    pub(super) clock: u32,
    /// Pages of the index below this one held unknown bytes when the cache was last emptied...
    pub stale_pages: u32,
    /// ...and so many of them have not been cleared yet.
    pub stale_left: u32,
    pub inserts: u64,
    pub displaced: u64,
    pub window_evictions: u64,
    pub relocated: u64,
    pub faults: u64,
    pub refused: u64,
    /// What the host calls the module; 0 where it does not say.
    pub(super) module_tag: u64,
    /// Of an image: covers the index and the arena.
    pub(super) contents_checksum: u64,
    /// Of an image: covers the header but for this field.
    pub(super) header_checksum: u64,
    pub(super) byte_order: u32,
    /// The height that entries of the main and API pools are written at.
    pub height: u32,
    pub pools: [Pool; POOLS],
    /// A bit for each word of `bin_map` that is not zero.
    pub bin_summary: u32,
    /// A bit for each bin that is not empty.
    pub bin_map: [u32; BIN_WORDS],
    /// The first free block of each bin; only meaningful where the bin's bit is set.
    pub bins: [u32; BINS],
    /// A bit for each stale page of the index that has been cleared since.
    pub ready: [u32; (MAX_FIRST_PAGES / 32) as usize],
    /// Not 0 while an invalidation is not over yet...
    pub(super) sweeping: u32,
    /// ...of what was written above this height.
    pub(super) sweep_above: u32,
    pub(super) reserved: [u32; 9],
}

impl Header {
    /// Writes identity and geometry over a header that is zero.
    pub fn describe(
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
    pub fn pool(&self, number: usize) -> &Pool {
        &self.pools[number % POOLS]
    }

    /// As [`pool`](Self::pool), to be written.
    #[inline]
    pub fn pool_mut(&mut self, number: usize) -> &mut Pool {
        &mut self.pools[number % POOLS]
    }

    /// Makes a free block the first of a bin. Returns the one that was; 0 for none.
    #[inline]
    pub fn push_bin(&mut self, bin: usize, at: u32) -> u32 {
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
    pub fn set_bin(&mut self, bin: usize, at: u32) {
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

    /// Forgets all entries. The first `stale_pages` pages of the index are cleared when they are next written.
    pub fn empty(&mut self, geometry: &Geometry, stale_pages: u32) {
        for pool in &mut self.pools {
            (pool.newest, pool.oldest, pool.entries, pool.used_bytes) = (0, 0, 0, 0);
        }
        self.frontier = geometry.arena_start;
        self.free_bytes = 0;
        self.bin_summary = 0;
        self.bin_map = [0; BIN_WORDS];
        self.begin_index(geometry);
        self.ready = [0; (MAX_FIRST_PAGES / 32) as usize];
        self.stale_pages = stale_pages;
        self.stale_left = stale_pages;
        self.sweeping = 0;
    }

    /// Begins to count anew.
    pub fn reset_counters(&mut self) {
        for pool in &mut self.pools {
            (pool.hits, pool.misses, pool.evictions) = (0, 0, 0);
        }
        (self.inserts, self.displaced, self.window_evictions) = (0, 0, 0);
        (self.relocated, self.faults, self.refused) = (0, 0, 0);
    }

    pub fn status(&self) -> Option<Status> {
        Status::from_code(self.status)
    }

    pub fn set_status(&mut self, status: Status) {
        self.status = status as u32;
    }

    /// The height above which entries are still to be dropped, if any are.
    pub fn sweep_above(&self) -> Option<u32> {
        (self.sweeping != 0).then_some(self.sweep_above)
    }

    /// Notes that entries above a height are still to be dropped, or that none are.
    pub fn set_sweep(&mut self, above: Option<u32>) {
        self.sweeping = u32::from(above.is_some());
        self.sweep_above = above.unwrap_or(0);
    }

    pub fn set_capacity(&mut self, capacity: u32) {
        self.capacity = capacity;
    }

    /// Whether identity and geometry still read as they were written.
    pub fn describes(&self, geometry: &Geometry) -> bool {
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

    /// The geometry of the image that this header leads, where it is one that a region like this can take over.
    pub fn acceptable(&self, parts: &RegionParts, hash: [u8; 16]) -> Result<Geometry, Cold> {
        if self.magic != MAGIC {
            return Err(Cold::NoImage);
        }
        if (self.format, self.byte_order, self.header_bytes, self.hash)
            != (FORMAT_VERSION, BYTE_ORDER, HEADER_BYTES, hash)
        {
            return Err(Cold::Format);
        }
        if (self.plan_fingerprint, self.expected_entry)
            != (parts.plan_fingerprint, parts.expected_entry)
        {
            return Err(Cold::Plan);
        }
        if self.module_tag != parts.module_tag {
            return Err(Cold::Module);
        }
        let geometry = Geometry::new(self.limit, self.expected_entry).ok_or(Cold::Damaged)?;
        let is_sound = self.describes(&geometry)
            && geometry.admits([self.buckets, self.whole_buckets, self.group_mask])
            && self.stale_pages <= geometry.first_pages()
            && (geometry.arena_start..=self.capacity).contains(&self.frontier)
            && self.capacity <= geometry.limit;
        if is_sound {
            Ok(geometry)
        } else {
            Err(Cold::Damaged)
        }
    }

    /// Whether the checksum over the header is right.
    pub fn is_checked(&self, bytes: &[u8; HEADER_BYTES as usize]) -> bool {
        self.header_checksum == header_checksum(bytes)
    }

    /// The checksum over index and arena.
    pub fn contents_checksum(&self) -> u64 {
        self.contents_checksum
    }

    pub fn set_contents_checksum(&mut self, checksum: u64) {
        self.contents_checksum = checksum;
    }

    pub fn set_header_checksum(&mut self, checksum: u64) {
        self.header_checksum = checksum;
    }

    /// The access stamp of now: the clock of promotions and inserts, coarser.
    #[inline]
    pub fn stamp(&self, shift: u32) -> u16 {
        (self.clock.wrapping_shr(shift) as u16) & STAMP_MASK
    }

    /// Moves the clock on, and returns the access stamp of now.
    #[inline]
    pub fn tick(&mut self, shift: u32) -> u16 {
        self.clock = self.clock.wrapping_add(1);
        self.stamp(shift)
    }
}

/// The checksum over a header, its own field left out.
pub(super) fn header_checksum(bytes: &[u8; HEADER_BYTES as usize]) -> u64 {
    const AT: usize = offset_of!(Header, header_checksum);
    let (before, rest) = bytes.split_at(AT);
    xxh64(&rest[size_of::<u64>()..], xxh64(before, 0))
}

/// Writes a status into a header, and the checksum that then holds.
pub(super) fn mark(bytes: &mut [u8; HEADER_BYTES as usize], status: Status) {
    const STATUS: usize = offset_of!(Header, status);
    const CHECKSUM: usize = offset_of!(Header, header_checksum);
    bytes[STATUS..STATUS + 4].copy_from_slice(&(status as u32).to_le_bytes());
    let checksum = header_checksum(bytes).to_le_bytes();
    bytes[CHECKSUM..CHECKSUM + 8].copy_from_slice(&checksum);
}
