//! What a guest built on steadfast did with its memory, read from that memory without calling the
//! guest.

use serde::Serialize;
use steadfast::RegionOutcome;
use steadfast::record::Record;

/// A span of linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    /// Its first address.
    pub start: u32,
    /// Its bytes.
    pub bytes: u32,
}

/// The heap's counters, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HeapUse {
    /// Handed out and not returned.
    pub live_bytes: u32,
    /// The most that was ever live.
    pub peak_bytes: u32,
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
    /// The heap's counters, once it has served anything.
    pub heap_use: Option<HeapUse>,
    /// The digest of all allocations.
    pub heap_trace: Option<HeapTrace>,
}

impl Observed {
    /// Reads what `record` and the counters that it points at tell.
    pub(crate) fn read(memory: &[u8], record: &Record) -> Self {
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
            heap_use: heap_use(memory, record.heap_gauges),
            heap_trace: (record.trace_count > 0).then_some(HeapTrace {
                count: record.trace_count,
                digest: record.trace_digest,
            }),
        }
    }
}

/// The record at an address, where one stands.
pub(crate) fn record(memory: &[u8], address: u32) -> Option<Record> {
    Record::decode(memory.get(address as usize..)?).ok()
}

fn outcome(record: &Record) -> &'static str {
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

/// The counters at an address: live and peak bytes are the first two 32-bit words there.
fn heap_use(memory: &[u8], address: u32) -> Option<HeapUse> {
    if address == 0 {
        return None;
    }
    let words = memory.get(address as usize..)?.first_chunk::<8>()?;
    let word =
        |at: usize| u32::from_le_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]);
    Some(HeapUse {
        live_bytes: word(0),
        peak_bytes: word(4),
    })
}

fn hexadecimal<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:016x}"))
}
