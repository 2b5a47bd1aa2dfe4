//! The header at the region's start, as the cache keeps it and as a host reads it.

use core::mem::offset_of;
use thiserror::Error;

use super::block::STAMP_MASK;
use super::geometry::{Geometry, MAX_FIRST_PAGES};

/// The version of the region's format that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 1;
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
const MAGIC: [u8; 8] = *b"steadfst";
pub(crate) const POOLS: usize = 4;
/// Pools in use; the header has room for one more.
const NAMED_POOLS: usize = 3;

/// The region's state: in use, so that a copy of it may be torn.
const STATE_OPEN: u32 = 1;

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
    magic: [u8; 8],
    format: u32,
    header_bytes: u32,
    plan_fingerprint: u64,
    hash: [u8; 16],
    capacity: u32,
    limit: u32,
    expected_entry: u32,
    group_buckets: u32,
    levels: u32,
    first_level: u32,
    arena_start: u32,
    stamp_shift: u32,
    state: u32,
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
    pub clock: u32,
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
    /// Reserved for the seal of an image.
    seal: [u64; 4],
    pub pools: [Pool; POOLS],
    /// A bit for each word of `bin_map` that is not zero.
    pub bin_summary: u32,
    /// A bit for each bin that is not empty.
    pub bin_map: [u32; BIN_WORDS],
    /// The first free block of each bin; only meaningful where the bin's bit is set.
    pub bins: [u32; BINS],
    /// A bit for each stale page of the index that has been cleared since.
    pub ready: [u32; (MAX_FIRST_PAGES / 32) as usize],
}

impl Header {
    /// Writes identity and geometry over a header that is zero.
    pub fn describe(
        &mut self,
        geometry: &Geometry,
        expected_entry: u32,
        plan_fingerprint: u64,
        hash: [u8; 16],
    ) {
        self.magic = MAGIC;
        self.format = FORMAT_VERSION;
        self.header_bytes = HEADER_BYTES;
        self.plan_fingerprint = plan_fingerprint;
        self.hash = hash;
        self.limit = geometry.limit;
        self.expected_entry = expected_entry;
        self.group_buckets = geometry.group_buckets;
        self.levels = geometry.levels;
        self.first_level = geometry.first_level;
        self.arena_start = geometry.arena_start;
        self.stamp_shift = geometry.stamp_shift;
        self.state = STATE_OPEN;
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
    }

    pub fn set_capacity(&mut self, capacity: u32) {
        self.capacity = capacity;
    }

    /// Whether identity and geometry still read as they were written.
    pub fn describes(&self, geometry: &Geometry, capacity: u32) -> bool {
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
        same && self.magic == MAGIC && self.format == FORMAT_VERSION && self.capacity == capacity
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

/// What a region's header tells, for a host that reads it from linear memory. Sizes in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegionInfo {
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
    /// Buckets of the index in use.
    pub buckets: u32,
    /// Bytes of the index, all of its buckets in use.
    pub index_bytes: u32,
    /// Offset of the arena.
    pub arena_start: u32,
    /// Offset of the first byte of the arena that has never been used since the cache was last empty.
    pub frontier: u32,
    /// Bytes of entries' blocks.
    pub used_bytes: u32,
    /// Bytes of free blocks below the frontier.
    pub free_bytes: u32,
    /// Entries held.
    pub entries: u32,
    /// Lookups that found their key.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Entries written.
    pub inserts: u64,
    /// Entries evicted because they were the oldest.
    pub evictions: u64,
    /// Entries evicted because both buckets of a new key were full.
    pub displaced: u64,
    /// Entries evicted to clear a contiguous window for a large value.
    pub window_evictions: u64,
    /// Entries moved to their other bucket to make place.
    pub relocated: u64,
    /// Times that damage was found and the cache started over.
    pub faults: u64,
    /// Inserts refused because the entry cannot fit.
    pub refused: u64,
    /// The tag that the user has set.
    pub user_tag: [u8; USER_TAG_BYTES],
    /// The pools: main, views, application. Entries, bytes, lookups and evictions above are their sums.
    pub pools: [PoolInfo; NAMED_POOLS],
}

/// What a region's header tells of one pool. Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolInfo {
    /// Entries held.
    pub entries: u32,
    /// Bytes of their blocks.
    pub used_bytes: u32,
    /// What their blocks may take; `u32::MAX` is no limit.
    pub quota_bytes: u32,
    /// Lookups that found their key.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Entries evicted because they were the oldest.
    pub evictions: u64,
}

impl PoolInfo {
    /// The sum of two pools. Counters wrap, as a region's bytes may be anything.
    pub(crate) fn plus(self, other: PoolInfo) -> PoolInfo {
        PoolInfo {
            entries: self.entries.wrapping_add(other.entries),
            used_bytes: self.used_bytes.wrapping_add(other.used_bytes),
            quota_bytes: self.quota_bytes.saturating_add(other.quota_bytes),
            hits: self.hits.wrapping_add(other.hits),
            misses: self.misses.wrapping_add(other.misses),
            evictions: self.evictions.wrapping_add(other.evictions),
        }
    }

    fn at(bytes: &[u8; HEADER_BYTES as usize], number: usize) -> PoolInfo {
        let pool = offset_of!(Header, pools) + number * size_of::<Pool>();
        PoolInfo {
            entries: u32_at(bytes, pool + offset_of!(Pool, entries)),
            used_bytes: u32_at(bytes, pool + offset_of!(Pool, used_bytes)),
            quota_bytes: u32_at(bytes, pool + offset_of!(Pool, quota_bytes)),
            hits: u64_at(bytes, pool + offset_of!(Pool, hits)),
            misses: u64_at(bytes, pool + offset_of!(Pool, misses)),
            evictions: u64_at(bytes, pool + offset_of!(Pool, evictions)),
        }
    }
}

/// Reads a region's header from a copy of the region's first bytes, [`HEADER_BYTES`] or more of them.
///
/// Constant cost. Nothing is trusted: what cannot be a header is an error.
///
/// # Errors
///
/// See [`FormatError`].
pub fn inspect(region_prefix: &[u8]) -> Result<RegionInfo, FormatError> {
    let bytes = region_prefix.first_chunk::<{ HEADER_BYTES as usize }>();
    let bytes = bytes.ok_or(FormatError::Truncated {
        given: region_prefix.len(),
    })?;
    if take::<8>(bytes, offset_of!(Header, magic)) != MAGIC {
        return Err(FormatError::NotARegion);
    }
    let format = u32_at(bytes, offset_of!(Header, format));
    if format != FORMAT_VERSION {
        return Err(FormatError::Version { found: format });
    }
    let pools = core::array::from_fn(|number| PoolInfo::at(bytes, number));
    let total = pools.into_iter().fold(PoolInfo::default(), PoolInfo::plus);
    let mut info = RegionInfo {
        format,
        header_bytes: u32_at(bytes, offset_of!(Header, header_bytes)),
        plan_fingerprint: u64_at(bytes, offset_of!(Header, plan_fingerprint)),
        hash: take(bytes, offset_of!(Header, hash)),
        capacity: u32_at(bytes, offset_of!(Header, capacity)),
        limit: u32_at(bytes, offset_of!(Header, limit)),
        expected_entry: u32_at(bytes, offset_of!(Header, expected_entry)),
        buckets: u32_at(bytes, offset_of!(Header, buckets)),
        index_bytes: 0,
        arena_start: u32_at(bytes, offset_of!(Header, arena_start)),
        frontier: u32_at(bytes, offset_of!(Header, frontier)),
        used_bytes: total.used_bytes,
        free_bytes: u32_at(bytes, offset_of!(Header, free_bytes)),
        entries: total.entries,
        hits: total.hits,
        misses: total.misses,
        inserts: u64_at(bytes, offset_of!(Header, inserts)),
        evictions: total.evictions,
        displaced: u64_at(bytes, offset_of!(Header, displaced)),
        window_evictions: u64_at(bytes, offset_of!(Header, window_evictions)),
        relocated: u64_at(bytes, offset_of!(Header, relocated)),
        faults: u64_at(bytes, offset_of!(Header, faults)),
        refused: u64_at(bytes, offset_of!(Header, refused)),
        user_tag: take(bytes, offset_of!(Header, user_tag)),
        pools,
    };
    let geometry = Geometry::new(info.limit, info.expected_entry).ok_or(FormatError::Damaged)?;
    let grown = [
        offset_of!(Header, buckets),
        offset_of!(Header, whole_buckets),
        offset_of!(Header, group_mask),
    ];
    let shape = [
        offset_of!(Header, group_buckets),
        offset_of!(Header, levels),
        offset_of!(Header, first_level),
    ];
    let sound = shape.map(|at| u32_at(bytes, at))
        == [
            geometry.group_buckets,
            geometry.levels,
            geometry.first_level,
        ]
        && geometry.arena_start == info.arena_start
        && geometry.admits(grown.map(|at| u32_at(bytes, at)))
        && info.header_bytes == HEADER_BYTES
        && (info.arena_start..=info.capacity).contains(&info.frontier)
        && info.capacity <= info.limit;
    if !sound {
        return Err(FormatError::Damaged);
    }
    info.index_bytes = geometry.index_bytes();
    Ok(info)
}

fn take<const N: usize>(bytes: &[u8; HEADER_BYTES as usize], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

fn u32_at(bytes: &[u8; HEADER_BYTES as usize], at: usize) -> u32 {
    u32::from_le_bytes(take(bytes, at))
}

fn u64_at(bytes: &[u8; HEADER_BYTES as usize], at: usize) -> u64 {
    u64::from_le_bytes(take(bytes, at))
}
