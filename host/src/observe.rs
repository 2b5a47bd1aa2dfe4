//! What a guest built on steadfast did with its memory, read from that memory without calling the
//! guest.

use std::ops::AddAssign;

use serde::Serialize;
use steadfast::RegionOutcome;
use steadfast::format::Record;
use steadfast::format::{Gauges, HeapMap};
use steadfast::format::{PoolInfo, RegionInfo, inspect};

/// A span of linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its first address.
    pub start: u32,
    /// Its bytes.
    pub bytes: u32,
}

/// The figures of a cache, as its region's header has them. Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheUse {
    /// Bytes of the whole region.
    pub capacity_bytes: u32,
    /// Bytes of the entries' blocks.
    pub used_bytes: u32,
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
    /// Inserts refused because the entry cannot fit.
    pub refused: u64,
    /// Times that damage was found and the cache started over.
    pub faults: u64,
    /// Each pool's part of it: main, views, application.
    pub pools: [PoolUse; 3],
}

/// The figures of one pool. Sizes in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PoolUse {
    /// Bytes of the entries' blocks.
    pub used_bytes: u32,
    /// What they may take, where that is bounded.
    pub quota_bytes: Option<u32>,
    /// Entries held.
    pub entries: u32,
    /// Lookups that found their key.
    pub hits: u64,
    /// Lookups that did not.
    pub misses: u64,
    /// Entries evicted because they were the oldest.
    pub evictions: u64,
}

impl From<PoolInfo> for PoolUse {
    fn from(info: PoolInfo) -> Self {
        PoolUse {
            used_bytes: info.used_bytes,
            quota_bytes: (info.quota_bytes != u32::MAX).then_some(info.quota_bytes),
            entries: info.entries,
            hits: info.hits,
            misses: info.misses,
            evictions: info.evictions,
        }
    }
}

impl AddAssign for PoolUse {
    fn add_assign(&mut self, later: Self) {
        *self = PoolUse {
            hits: self.hits + later.hits,
            misses: self.misses + later.misses,
            evictions: self.evictions + later.evictions,
            ..later
        };
    }
}

impl From<RegionInfo> for CacheUse {
    fn from(info: RegionInfo) -> Self {
        CacheUse {
            capacity_bytes: info.capacity,
            used_bytes: info.used_bytes,
            entries: info.entries,
            hits: info.hits,
            misses: info.misses,
            inserts: info.inserts,
            evictions: info.evictions,
            displaced: info.displaced,
            window_evictions: info.window_evictions,
            refused: info.refused,
            faults: info.faults,
            pools: info.pools.map(PoolUse::from),
        }
    }
}

/// Adds up what was counted; of sizes and entries, the later ones stay.
impl AddAssign for CacheUse {
    fn add_assign(&mut self, later: Self) {
        let mut pools = self.pools;
        for (pool, later) in pools.iter_mut().zip(later.pools) {
            *pool += later;
        }
        *self = CacheUse {
            capacity_bytes: later.capacity_bytes,
            used_bytes: later.used_bytes,
            entries: later.entries,
            hits: self.hits + later.hits,
            misses: self.misses + later.misses,
            inserts: self.inserts + later.inserts,
            evictions: self.evictions + later.evictions,
            displaced: self.displaced + later.displaced,
            window_evictions: self.window_evictions + later.window_evictions,
            refused: self.refused + later.refused,
            faults: self.faults + later.faults,
            pools,
        };
    }
}

/// The heap's gauges, in bytes. Held are whole slabs and large blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeapUse {
    /// In use.
    pub held_bytes: u32,
    /// The most that was ever in use.
    pub peak_bytes: u32,
    /// From the heap's start to the highest block's end, at the most. A budget of so many bytes serves the same requests.
    pub reached_bytes: u32,
    /// The largest block that had memory of its own, outside of slabs; 0 if there was none.
    pub largest_bytes: u32,
}

/// The digest of every allocation, from guests built with the feature `trace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeapTrace {
    /// Allocations.
    pub count: u64,
    /// Digest of each one's address, size and alignment, in order; 16 hexadecimal digits.
    #[serde(serialize_with = "hexadecimal")]
    pub digest: u64,
}

impl HeapTrace {
    /// What a record tells; `None` of a guest that keeps no trace.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        (record.trace_count > 0).then_some(HeapTrace {
            count: record.trace_count,
            digest: record.trace_digest,
        })
    }
}

/// What the record in a guest's memory tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// The heap's budget.
    pub heap: Span,
    /// The part of the budget that serves C.
    pub c_heap: Span,
    /// The region that the host granted.
    pub region: Span,
    /// Bytes of the region that the cache may use.
    pub cache_limit_bytes: u32,
    /// Why the region has the size that it has.
    pub region_outcome: &'static str,
    /// Calls of `memory.grow`, by the guest's own count.
    pub grows_asked: u32,
    /// Refused ones, by the guest's own count.
    pub grows_refused: u32,
    /// Pages that existed and were taken over.
    pub adopted_pages: u32,
    /// The cache's figures, where the guest opened one in the region.
    pub cache: Option<CacheUse>,
    /// The heap's gauges, once it has served anything.
    pub heap_use: Option<HeapUse>,
    /// The digest of all allocations.
    pub heap_trace: Option<HeapTrace>,
}

impl Observed {
    /// Reads from a guest's memory what `record`, and the header of the region that it names, tell. Constant cost.
    pub fn read(memory: &[u8], record: &Record) -> Self {
        let span = |start, bytes| Span { start, bytes };
        Observed {
            heap: span(record.heap_start, record.heap_len),
            c_heap: span(record.c_heap_start, record.c_heap_len),
            region: span(record.region_start, record.region_granted),
            cache_limit_bytes: record.region_len,
            region_outcome: outcome(record),
            grows_asked: record.grows_asked,
            grows_refused: record.grows_refused,
            adopted_pages: record.adopted_pages,
            cache: cache(memory, record),
            heap_use: heap_use(memory, record.heap_gauges),
            heap_trace: HeapTrace::of(record),
        }
    }
}

/// The record in a copy of a guest's memory, wherever it stands: the one that tells of a reservation, if there are more. Linear in
/// the bytes; a host that runs the guest has its address from the export [`Record::EXPORT`].
pub fn find_record(memory: &[u8]) -> Option<Record> {
    let magic = Record::MAGIC.to_le_bytes();
    // One at a time: a copy may hold nothing but records.
    memchr::memmem::find_iter(memory, &magic)
        .filter_map(|at| Record::decode(memory.get(at..)?).ok())
        .max_by_key(|record| record.heap_len)
}

pub(crate) fn outcome(record: &Record) -> &'static str {
    match RegionOutcome::from_code(record.region_outcome) {
        Some(RegionOutcome::Full) => "full",
        Some(RegionOutcome::Partial) => "partial",
        Some(RegionOutcome::Refused) => "refused",
        Some(RegionOutcome::Off) => "off",
        Some(RegionOutcome::Occupied) => "occupied",
        Some(RegionOutcome::OnDemand) => "on-demand",
        None => "unknown",
    }
}

/// What the header at the region's start tells.
fn cache(memory: &[u8], record: &Record) -> Option<CacheUse> {
    let start = record.region_start as usize;
    let end = start.checked_add(record.region_len as usize)?;
    inspect(memory.get(start..end)?).ok().map(CacheUse::from)
}

/// The [`Gauges`](steadfast::format::Gauges) at an address; 0 is none.
fn heap_use(memory: &[u8], address: u32) -> Option<HeapUse> {
    if address == 0 {
        return None;
    }
    let words: &[u8; HeapMap::GAUGES_BYTES] = memory.get(address as usize..)?.first_chunk()?;
    let word = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|byte| words[4 * at + byte]));
    let granules = |at| word(at).saturating_mul(Gauges::GRANULE_BYTES as u32);
    Some(HeapUse {
        held_bytes: word(0),
        peak_bytes: word(1),
        reached_bytes: granules(3),
        largest_bytes: granules(4),
    })
}

fn hexadecimal<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:016x}"))
}
