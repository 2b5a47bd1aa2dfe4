//! What a guest built on steadfast did with its memory, read from that memory without calling the
//! guest.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};
use steadfast::RegionOutcome;
use steadfast::format::{Figure, FormatError, HeapUsage, InstanceInfo, RegionInfo, Start, Stats};

use crate::heap_marks::span;

/// A span of linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct AddressRange {
    /// Its first address.
    pub start: u32,
    /// Its bytes.
    pub bytes: u32,
}

/// The heap's [`HeapUsage`], in bytes. Held are whole slabs and large blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeapUse {
    /// In use.
    pub held_bytes: u32,
    /// The most that was ever in use.
    pub peak_bytes: u32,
    /// From the heap's start to the highest block's end, at the most. A budget of so many bytes
    /// serves the same requests.
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
    /// What instance info tells; `None` of a guest that keeps no trace.
    pub(crate) fn of(info: &InstanceInfo) -> Option<Self> {
        (info.trace_count > 0).then_some(HeapTrace {
            count: info.trace_count,
            digest: info.trace_digest,
        })
    }
}

/// What the instance info in a guest's memory tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceStats {
    /// The heap's budget.
    pub heap: AddressRange,
    /// The part of the budget that serves C.
    pub c_heap: AddressRange,
    /// The region that the host granted.
    pub region: AddressRange,
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
    /// How the cache began. `None` before it is opened.
    #[serde(serialize_with = "optional_text")]
    pub cache_start: Option<Start>,
    /// The cache's figures, where the guest opened one in the region.
    #[serde(serialize_with = "optional_figures")]
    pub cache: Option<Stats>,
    /// The format version of the region, where it is none that this host reads: the module was
    /// built with another steadfast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other_format: Option<u32>,
    /// How much of the heap is in use, once it has served anything.
    pub heap_use: Option<HeapUse>,
    /// The digest of all allocations.
    pub heap_trace: Option<HeapTrace>,
}

impl InstanceStats {
    /// Reads from a guest's memory what `info`, and the header of the region that it names, tell.
    /// Constant cost.
    pub fn read(memory: &[u8], info: &InstanceInfo) -> Self {
        let span = |start, bytes| AddressRange { start, bytes };
        let region = region(memory, info);
        let other_format = match region {
            Some(Err(FormatError::Version { found })) => Some(found),
            _ => None,
        };
        InstanceStats {
            heap: span(info.heap_start, info.heap_len),
            c_heap: span(info.c_heap_start, info.c_heap_len),
            region: span(info.region_start, info.region_granted),
            cache_limit_bytes: info.region_len,
            region_outcome: outcome(info),
            grows_asked: info.grows_asked,
            grows_refused: info.grows_refused,
            adopted_pages: info.adopted_pages,
            cache_start: Start::from_code(info.cache_start),
            cache: region.and_then(Result::ok).map(|region| region.stats),
            other_format,
            heap_use: heap_use(memory, info.heap_usage_address),
            heap_trace: HeapTrace::of(info),
        }
    }

    /// Whether there is no region, since its place is somebody else's.
    pub(crate) fn region_is_taken(&self) -> bool {
        self.region.bytes == 0 && self.region_outcome == OCCUPIED
    }
}

/// The instance info in a copy of a guest's memory, wherever it stands: the one that tells of a
/// reservation, if there are more. Linear in the bytes; a host that runs the guest has its address
/// from the export [`InstanceInfo::EXPORT`].
pub fn find_instance_info(memory: &[u8]) -> Option<InstanceInfo> {
    let magic = InstanceInfo::MAGIC.to_le_bytes();
    // One at a time: a copy may hold many.
    memchr::memmem::find_iter(memory, &magic)
        .filter_map(|at| InstanceInfo::decode(memory.get(at..)?).ok())
        .max_by_key(|info| info.heap_len)
}

/// What [`outcome`] calls a region whose place, or a part of it, is somebody else's.
const OCCUPIED: &str = "occupied";

pub(crate) fn outcome(info: &InstanceInfo) -> &'static str {
    match RegionOutcome::from_code(info.region_outcome) {
        Some(RegionOutcome::Full) => "full",
        Some(RegionOutcome::Partial) => "partial",
        Some(RegionOutcome::Refused) => "refused",
        Some(RegionOutcome::Off) => "off",
        Some(RegionOutcome::Occupied) => OCCUPIED,
        Some(RegionOutcome::OnDemand) => "on-demand",
        None => "unknown",
    }
}

/// What the header at the region's start tells.
fn region(memory: &[u8], info: &InstanceInfo) -> Option<Result<RegionInfo, FormatError>> {
    let region = span(memory, info.region_start, info.region_len)?;
    Some(RegionInfo::read(region))
}

/// The [`HeapUsage`] at an address; 0 is none.
fn heap_use(memory: &[u8], address: u32) -> Option<HeapUse> {
    if address == 0 {
        return None;
    }
    let usage = HeapUsage::read(memory.get(address as usize..)?, size_of::<u32>())?;
    let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    let granules = |count: usize| bytes(count.saturating_mul(HeapUsage::GRANULE_BYTES));
    Some(HeapUse {
        held_bytes: bytes(usage.held_bytes),
        peak_bytes: bytes(usage.peak_bytes),
        reached_bytes: granules(usage.highest_granules),
        largest_bytes: granules(usage.largest_granules),
    })
}

/// A cache's figures as JSON has them: each by its name, and those of each pool.
pub fn figures<S: Serializer>(stats: &Stats, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Whole<'a> {
        #[serde(flatten)]
        all: Named<'a>,
        pools: [Named<'a>; 3],
    }
    type Named<'a> = BTreeMap<&'a str, Option<u64>>;
    fn named<'a>(figures: impl Iterator<Item = Figure>) -> Named<'a> {
        figures.map(|figure| (figure.name, figure.value)).collect()
    }
    let whole = Whole {
        all: named(stats.figures()),
        pools: stats.pools.map(|pool| named(pool.figures())),
    };
    whole.serialize(serializer)
}

/// As [`figures`], of a cache that there may be.
pub(crate) fn optional_figures<S: Serializer>(
    stats: &Option<Stats>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match stats {
        Some(stats) => figures(stats, serializer),
        None => serializer.serialize_none(),
    }
}

fn optional_text<S: Serializer>(
    value: &Option<impl fmt::Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

fn hexadecimal<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:016x}"))
}
