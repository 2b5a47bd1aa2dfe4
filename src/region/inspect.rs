//! What a host reads from a region's header, without calling the guest.

use core::mem::offset_of;
use core::ops::Range;
use thiserror::Error;

use super::geometry::Geometry;
use super::header::{
    FORMAT_VERSION, HEADER_BYTES, Header, MAGIC, NAMED_POOLS, Pool, USER_TAG_BYTES,
};
use super::image::{Status, contents};

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
    /// What an image of it could be: whether it is torn, and who vouches for it.
    pub status: Status,
    /// The plan that the region was made for.
    pub plan_fingerprint: u64,
    /// What the host called the module; 0 if it did not say.
    pub module_tag: u64,
    /// The height that entries are written at, but for those of views.
    pub height: u32,
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

impl RegionInfo {
    /// Where the parts of an image stand, as offsets from the region's start: the header with the buckets in use, and the
    /// entries. What is between them has no meaning.
    #[must_use]
    pub fn image_parts(&self) -> [Range<u32>; 2] {
        let [index, arena] = contents(self.buckets, self.arena_start, self.frontier);
        [0..index.end, arena]
    }
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
        status: Status::from_code(u32_at(bytes, offset_of!(Header, status)))
            .ok_or(FormatError::Damaged)?,
        plan_fingerprint: u64_at(bytes, offset_of!(Header, plan_fingerprint)),
        module_tag: u64_at(bytes, offset_of!(Header, module_tag)),
        height: u32_at(bytes, offset_of!(Header, height)),
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
