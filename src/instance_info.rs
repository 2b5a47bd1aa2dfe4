//! What a host reads of an instance from linear memory, and the four fields that it may write.
//!
//! The module exports `steadfast_record`, a constant whose value is the address of the
//! [`InstanceInfo`]. Fields are little-endian, at fixed offsets, without gaps; a later version
//! appends and never moves.

use bytemuck::{Pod, Zeroable};

use crate::exclusive::Exclusive;
use crate::memory::platform::per_instance;
use crate::plan::EncodedPlan;
use crate::probe::{AddressRange, Grant, RegionOutcome};
use crate::units::{PAGE_BYTES, Pages};

/// What became of the reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Reservation {
    /// Nothing was reserved yet.
    Undecided = 0,
    /// The heap's budget is there; the instance info tells how large the region is.
    Reserved = 1,
    /// The host refused the heap's budget.
    BudgetRefused = 2,
    /// Static data leaves no room for the heap.
    StaticDataTooLarge = 3,
    /// Somebody else grew memory in between.
    ForeignGrowth = 4,
    /// Pages that existed before the first allocation are in use by somebody else.
    ForeignPages = 5,
}

impl Reservation {
    /// Reads what `as u32` wrote.
    pub fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            0 => Self::Undecided,
            1 => Self::Reserved,
            2 => Self::BudgetRefused,
            3 => Self::StaticDataTooLarge,
            4 => Self::ForeignGrowth,
            5 => Self::ForeignPages,
            _ => return None,
        })
    }
}

/// What is known only at run time. All addresses and sizes are in bytes unless a field says
/// otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct InstanceInfo {
    /// [`InstanceInfo::MAGIC`].
    pub magic: u64,
    /// [`InstanceInfo::VERSION`].
    pub version: u32,
    /// [`InstanceInfo::LEN`].
    pub len: u32,
    /// The largest region that the guest may use. `u32::MAX`: no limit. A host writes it before
    /// `_start`.
    pub cache_limit: u32,
    /// A [`Reservation`].
    pub state: u32,
    /// The first address of the heap.
    pub heap_start: u32,
    /// Bytes of the heap.
    pub heap_len: u32,
    /// The first address of the part that serves C.
    pub c_heap_start: u32,
    /// Bytes of the part that serves C.
    pub c_heap_len: u32,
    /// The first address of the region.
    pub region_start: u32,
    /// Bytes of the region that the host granted.
    pub region_granted: u32,
    /// Bytes of the region that the cache may use: what was granted, or less by `cache_limit`.
    pub region_len: u32,
    /// Bytes to which the region may still grow on demand.
    pub region_limit: u32,
    /// A [`RegionOutcome`].
    pub region_outcome: u32,
    /// Calls of `memory.grow`.
    pub grows_asked: u32,
    /// How many of them the host refused.
    pub grows_refused: u32,
    /// Pages that already existed and were taken over.
    pub adopted_pages: u32,
    /// Pages that memory had when the heap's budget was refused.
    pub refused_have_pages: u32,
    /// Pages that the heap's budget ends at, when it was refused; where static data end, when they
    /// are too large; the address at which somebody else's data was found.
    pub refused_need: u32,
    /// The address of the heap's [`HeapUsage`](crate::heap::HeapUsage), in words of 32 bits; 0
    /// before the first allocation.
    pub heap_usage_address: u32,
    /// The address of the C part's `HeapUsage`; 0 before C's first allocation.
    pub c_heap_usage_address: u32,
    /// Requests that the heap could not serve.
    pub exhausted_count: u32,
    /// Bytes of the last of them that was told: of the first 16 each, then those whose number is a
    /// power of two.
    pub exhausted_request: u32,
    /// Its alignment.
    pub exhausted_align: u32,
    /// Live bytes at that moment.
    pub exhausted_live: u32,
    /// The largest free block at that moment.
    pub exhausted_largest_free: u32,
    /// Whose budget it was: its bytes.
    pub exhausted_budget: u32,
    /// Allocations that the digest covers. 0 without the feature `trace`.
    pub trace_count: u64,
    /// Digest of every address, size and alignment handed out. 0 without the feature `trace`.
    pub trace_digest: u64,
    /// What the host calls the module; 0 if it does not say. A host writes it before `_start`: an
    /// image of a module with another name is not attached to.
    pub module_tag: u64,
    /// How the cache began: the [code](crate::region::Start::code) of it. 0 before it is opened.
    pub cache_start: u32,
    /// Not 0: the cache loses entries by chance, as this says. A host writes it before `_start`,
    /// to try whether the module stores the same whatever its cache still has.
    pub forget_seed: u32,
    /// Which part of the budget `exhausted_request` was asked of: 0 the heap, 1 C's part.
    pub exhausted_part: u32,
    /// Not 0: the host has grown memory itself, from this address on to the region, and nothing
    /// stands there. The heap then takes those pages without a look at what they hold. A host
    /// writes it before `_start`.
    pub host_pages_from: u32,
}

/// The address of the encoded plan that was used follows the instance info; 0 before the
/// reservation.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Exported {
    info: InstanceInfo,
    plan: Option<&'static EncodedPlan>,
}

impl InstanceInfo {
    /// The first eight bytes.
    pub const MAGIC: u64 = u64::from_le_bytes(*b"stdfrcrd");

    /// The version of the layout.
    pub const VERSION: u32 = 1;

    /// Bytes of the instance info.
    pub const LEN: usize = size_of::<Self>();

    /// Where in the instance info the host writes the limit on the region, as a little-endian
    /// `u32`.
    pub const CACHE_LIMIT_OFFSET: usize = core::mem::offset_of!(Self, cache_limit);

    /// Where in the instance info the host writes what it calls the module, as a little-endian
    /// `u64`.
    pub const MODULE_TAG_OFFSET: usize = core::mem::offset_of!(Self, module_tag);

    /// Where in the instance info the host writes what the cache loses entries by, as a
    /// little-endian `u32`.
    pub const FORGET_SEED_OFFSET: usize = core::mem::offset_of!(Self, forget_seed);

    /// Where in the instance info the host writes the address from which on it has grown memory
    /// itself, as a little-endian `u32`.
    pub const HOST_PAGES_FROM_OFFSET: usize = core::mem::offset_of!(Self, host_pages_from);

    /// The name of the export whose value is the address.
    pub const EXPORT: &'static str = "steadfast_record";

    const EMPTY: Self = Self {
        magic: Self::MAGIC,
        version: Self::VERSION,
        len: Self::LEN as u32,
        cache_limit: u32::MAX,
        state: Reservation::Undecided as u32,
        heap_start: 0,
        heap_len: 0,
        c_heap_start: 0,
        c_heap_len: 0,
        region_start: 0,
        region_granted: 0,
        region_len: 0,
        region_limit: 0,
        region_outcome: 0,
        grows_asked: 0,
        grows_refused: 0,
        adopted_pages: 0,
        refused_have_pages: 0,
        refused_need: 0,
        heap_usage_address: 0,
        c_heap_usage_address: 0,
        exhausted_count: 0,
        exhausted_request: 0,
        exhausted_align: 0,
        exhausted_live: 0,
        exhausted_largest_free: 0,
        exhausted_budget: 0,
        trace_count: 0,
        trace_digest: 0,
        module_tag: 0,
        cache_start: 0,
        forget_seed: 0,
        exhausted_part: 0,
        host_pages_from: 0,
    };

    /// Reads instance info from a copy of the bytes at its address.
    ///
    /// # Errors
    /// When they are not instance info of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, InstanceInfoError> {
        let bytes = bytes
            .get(..Self::LEN)
            .ok_or(InstanceInfoError::Length(bytes.len()))?;
        let info: Self = bytemuck::pod_read_unaligned(bytes);
        if info.magic != Self::MAGIC {
            return Err(InstanceInfoError::Magic);
        }
        if info.version != Self::VERSION || (info.len as usize) < Self::LEN {
            return Err(InstanceInfoError::Version(info.version));
        }
        Ok(info)
    }

    /// Notes what was granted, and answers it within the host's limit on the cache.
    pub(crate) fn note_grant(&mut self, mut grant: Grant) -> Grant {
        let limit = self.cache_limit;
        grant.region_limit = grant.region_limit.min(limit);
        self.state = Reservation::Reserved as u32;
        self.heap_start = grant.heap.start;
        self.heap_len = grant.heap.len;
        self.c_heap_start = grant.c_heap.start;
        self.c_heap_len = grant.c_heap.len;
        self.region_start = grant.region.start;
        self.region_granted = grant.region.len;
        self.region_len = grant.region.len.min(limit);
        self.region_limit = grant.region_limit;
        self.region_outcome = grant.outcome as u32;
        self.grows_asked = grant.grows_asked;
        self.grows_refused = grant.grows_refused;
        self.adopted_pages = grant.adopted.0;
        grant
    }

    /// Whether there is no heap, or not any more.
    pub(crate) const fn is_refused(&self) -> bool {
        self.state > Reservation::Reserved as u32
    }

    /// Notes why there is no heap, or not any more.
    pub(crate) fn note_refusal(&mut self, why: Reservation, have_pages: u32, need: u32) {
        self.state = why as u32;
        self.refused_have_pages = have_pages;
        self.refused_need = need;
    }

    /// The first request that could not be served, if there was one.
    pub fn exhaustion(&self) -> Option<Exhaustion> {
        let shortage = Shortage {
            request: self.exhausted_request,
            align: self.exhausted_align,
            budget: self.exhausted_budget,
            live: self.exhausted_live,
            largest_free: self.exhausted_largest_free,
        };
        (self.exhausted_count > 0).then_some(match self.exhausted_part {
            _ if u64::from(shortage.align) > PAGE_BYTES => Exhaustion::Alignment(shortage),
            0 => Exhaustion::Heap(shortage),
            _ => Exhaustion::C(shortage),
        })
    }

    /// What was granted, once it is decided. `region_limit` is less by `cache_limit`.
    #[inline]
    pub(crate) fn grant(&self) -> Option<Grant> {
        let span = |start, len| AddressRange { start, len };
        (self.state == Reservation::Reserved as u32).then(|| Grant {
            heap: span(self.heap_start, self.heap_len),
            c_heap: span(self.c_heap_start, self.c_heap_len),
            region: span(self.region_start, self.region_granted),
            region_limit: self.region_limit,
            outcome: RegionOutcome::from_code(self.region_outcome)
                .unwrap_or(RegionOutcome::Refused),
            grows_asked: self.grows_asked,
            grows_refused: self.grows_refused,
            adopted: Pages(self.adopted_pages),
        })
    }
}

const _: () = {
    assert!(InstanceInfo::LEN == 152);
    assert!(core::mem::offset_of!(Exported, plan) == InstanceInfo::LEN);
    assert!(InstanceInfo::CACHE_LIMIT_OFFSET == 16);
    assert!(InstanceInfo::MODULE_TAG_OFFSET == 128);
    assert!(InstanceInfo::FORGET_SEED_OFFSET == 140);
    assert!(InstanceInfo::HOST_PAGES_FROM_OFFSET == 148);
};

/// A request that could not be served, and the state of the part of the budget that it was asked
/// of. In bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// What was asked for.
    pub request: u32,
    /// The alignment asked for.
    pub align: u32,
    /// The whole part.
    pub budget: u32,
    /// What was in use.
    pub live: u32,
    /// The largest free block.
    pub largest_free: u32,
}

/// Why a request could not be served. Its text is the line that the module itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exhaustion {
    /// The heap has no block for it.
    #[error(
        "the heap is exhausted: request of {} bytes (align {}), budget {}, live {}, largest free block {}; \
         raise STEADFAST_REGION_BASE and rebuild",
        .0.request, .0.align, .0.budget, .0.live, .0.largest_free
    )]
    Heap(Shortage),
    /// C's part has no block for it.
    #[error(
        "C's part of the budget is exhausted: request of {} bytes (align {}), budget {}, live {}, \
         largest free block {}; raise STEADFAST_C_HEAP and rebuild",
        .0.request, .0.align, .0.budget, .0.live, .0.largest_free
    )]
    C(Shortage),
    /// No block is aligned like that.
    #[error(
        "a request of {} bytes cannot be aligned to {}: 65536 is the most, whatever the budget",
        .0.request, .0.align
    )]
    Alignment(Shortage),
}

/// Why bytes are not an [`InstanceInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstanceInfoError {
    /// Too few bytes.
    #[error("instance info has {len} bytes, these are {0}", len = InstanceInfo::LEN)]
    Length(usize),
    /// The first bytes are others.
    #[error("the bytes do not begin as instance info does")]
    Magic,
    /// Written by another version of this crate.
    #[error("the instance info has version {0}, this version reads version 1")]
    Version(u32),
}

per_instance! {
    /// The exported instance info.
    #[allow(non_upper_case_globals, reason = "the name is the module's export")]
    #[unsafe(no_mangle)]
    static steadfast_record: Exclusive<Exported> = Exclusive::new(Exported {
        info: InstanceInfo::EMPTY,
        plan: None,
    });
}

/// Runs `f` with the instance info.
pub(crate) fn with_info<R>(f: impl FnOnce(&mut InstanceInfo) -> R) -> R {
    with_exported(|info, _| f(info))
}

/// Runs `f` with the instance info and the plan that memory was reserved with.
#[inline]
pub(crate) fn with_exported<R>(
    f: impl FnOnce(&mut InstanceInfo, &mut Option<&'static EncodedPlan>) -> R,
) -> R {
    steadfast_record.with(|exported| f(&mut exported.info, &mut exported.plan))
}

/// The instance info, once the region's lengths in it keep to the limit, and the plan that memory
/// was reserved with. A host may have written the limit after the reservation, into an instance of
/// a snapshot.
pub(crate) fn limited() -> (InstanceInfo, Option<&'static EncodedPlan>) {
    with_exported(|info, plan| {
        info.region_len = info.region_len.min(info.cache_limit);
        info.region_limit = info.region_limit.min(info.cache_limit);
        (*info, *plan)
    })
}

/// Notes how the cache began.
pub(crate) fn note_cache_start(code: u32) {
    with_info(|info| info.cache_start = code);
}

/// The instance info as it stands now.
pub fn current() -> InstanceInfo {
    steadfast_record.get().info
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_from_its_bytes() {
        let mut bytes = [0_u8; InstanceInfo::LEN];
        bytes[..8].copy_from_slice(b"stdfrcrd");
        bytes[8] = 1;
        bytes[12] = InstanceInfo::LEN as u8;
        bytes[InstanceInfo::MODULE_TAG_OFFSET - 1] = 0x80;
        bytes[InstanceInfo::CACHE_LIMIT_OFFSET] = 7;
        let info = InstanceInfo::decode(&bytes).unwrap();
        assert_eq!(info.cache_limit, 7);
        assert_eq!(info.trace_digest, 1 << 63);
        assert_eq!(
            InstanceInfo::decode(&bytes[1..]),
            Err(InstanceInfoError::Length(151))
        );
        bytes[8] = 2;
        assert_eq!(
            InstanceInfo::decode(&bytes),
            Err(InstanceInfoError::Version(2))
        );
        bytes[0] = 0;
        assert_eq!(InstanceInfo::decode(&bytes), Err(InstanceInfoError::Magic));
    }
}
