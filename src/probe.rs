//! Reserves linear memory once: the heap's budget, then as much of the region as the host grants.

use crate::memory::{Memory, StaticEnd};
use crate::plan::{Plan, Policy};
use crate::units::{Bytes, Pages};

/// Whose global allocator the module has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Steadfast's: everything above static data is the plan's.
    Whole,
    /// Another one: pages past the declared initial memory may be that allocator's.
    Beside,
}

/// A range of absolute addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first address.
    pub start: u32,
    /// Bytes.
    pub len: u32,
    /// From this address on, the bytes are zero and untouched: pages that we grew.
    pub fresh_from: u32,
}

impl Span {
    /// The addresses `start..end`.
    fn between(start: u32, end: u32, fresh_from: u32) -> Self {
        Self {
            start,
            len: end - start,
            fresh_from: fresh_from.max(start).min(end),
        }
    }
}

/// Why the region has the size that it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum RegionOutcome {
    /// The plan's maximum.
    Full = 0,
    /// Less than the maximum: the host refused more.
    Partial = 1,
    /// Nothing: the host refused even the least.
    Refused = 2,
    /// Nothing: the plan's policy is off.
    Off = 3,
    /// Nothing, or less: pages at its place belong to somebody else.
    Occupied = 4,
    /// Grows while the cache fills.
    OnDemand = 5,
}

impl RegionOutcome {
    /// Reads what `as u32` wrote.
    pub fn from_code(code: u32) -> Option<Self> {
        [
            Self::Full,
            Self::Partial,
            Self::Refused,
            Self::Off,
            Self::Occupied,
            Self::OnDemand,
        ]
        .into_iter()
        .find(|outcome| *outcome as u32 == code)
    }
}

/// What was reserved, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The heap's budget. Empty where another allocator may own its pages.
    pub heap: Span,
    /// The part that serves C.
    pub c_heap: Span,
    /// The region: always at the plan's base, `len` as granted.
    pub region: Span,
    /// Bytes to which the region may still grow on demand; its granted length under the other policies.
    pub region_limit: u32,
    /// Why the region has this size.
    pub outcome: RegionOutcome,
    /// Calls of `memory.grow`.
    pub grows_asked: u32,
    /// How many of them the host refused.
    pub grows_refused: u32,
    /// Pages above static data that already existed and were taken over.
    pub adopted: Pages,
}

/// Why not even the heap's budget could be reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The host refused the growth.
    #[error(
        "the host refused the heap's budget: memory has {have} pages of 64 KiB, the plan needs {need}; \
         raise the host's memory limit, or lower STEADFAST_REGION_BASE and rebuild"
    )]
    Budget {
        /// Pages that memory had.
        have: u32,
        /// Pages that the heap's budget ends at.
        need: u32,
    },
    /// Static data and stack reach past the heap's place.
    #[error(
        "static data and stack end at address {contents}, which leaves no heap below the region's base {region_base}; \
         raise STEADFAST_REGION_BASE and rebuild"
    )]
    StaticData {
        /// One past static data and stack.
        contents: u32,
        /// The region's base.
        region_base: u32,
    },
    /// Somebody else grew memory between two looks at it.
    #[error(
        "memory grew to {found} pages while the heap's budget was being reserved from page {expected} on"
    )]
    Foreign {
        /// Pages that memory had before.
        expected: u32,
        /// Pages that the growth began at.
        found: u32,
    },
}

/// Counts the calls of `grow` on their way.
struct Asking<'a, M> {
    memory: &'a mut M,
    asked: u32,
    refused: u32,
}

/// What one call of `grow` came to.
enum Grown {
    Contiguous,
    Refused,
    Elsewhere(Pages),
}

impl<M: Memory> Asking<'_, M> {
    /// Grows from `end` on by `by` pages; what begins elsewhere is not taken for contiguous.
    fn grow(&mut self, end: Pages, by: Pages) -> Grown {
        self.asked += 1;
        match self.memory.grow(by) {
            None => {
                self.refused += 1;
                Grown::Refused
            }
            Some(before) if before == end => Grown::Contiguous,
            Some(before) => Grown::Elsewhere(before),
        }
    }

    /// Grows the region from `have` to `total` pages: whether it holds so many afterwards, or an error where the growth
    /// began elsewhere. One copy of it serves every policy.
    #[inline(never)]
    fn reach(
        &mut self,
        base: Pages,
        existing: Pages,
        have: &mut Pages,
        total: Pages,
    ) -> Result<bool, ()> {
        if total <= *have {
            return Ok(true);
        }
        // Here the region is shorter than its maximum, so memory ends where the region does.
        debug_assert!(*have >= existing);
        match self.grow(Pages(base.0 + have.0), Pages(total.0 - have.0)) {
            Grown::Contiguous => {
                *have = total;
                Ok(true)
            }
            Grown::Refused => Ok(false),
            Grown::Elsewhere(_) => Err(()),
        }
    }
}

/// Reserves what `plan` says.
///
/// Asks at most 14 times and touches no byte.
///
/// # Errors
/// When not even the heap's budget can be had.
pub fn reserve<M: Memory>(
    memory: &mut M,
    plan: &Plan,
    static_end: StaticEnd,
    ownership: Ownership,
    c_family: bool,
) -> Result<Grant, Refusal> {
    let region_base = plan.region_base().get() as u32;
    let base = plan
        .region_base()
        .pages_up()
        .unwrap_or(Pages::ADDRESS_SPACE);
    let max = plan.region_max().pages_up().unwrap_or(Pages::ZERO);
    let c_len = match (c_family, ownership) {
        (true, Ownership::Whole) => plan.c_heap().get() as u32,
        _ => 0,
    };
    let unfit = Refusal::StaticData {
        contents: static_end.contents,
        region_base,
    };
    let floor = match ownership {
        Ownership::Whole => static_end.contents,
        Ownership::Beside => static_end.contents.max(static_end.initial_memory),
    };
    let heap_first = Bytes::new(u64::from(floor)).pages_up().ok_or(unfit)?;
    let c_start = region_base - c_len;
    // The heap has at least one page, or the module cannot run.
    if heap_first.bytes().get() + crate::units::PAGE_BYTES > u64::from(c_start)
        && ownership == Ownership::Whole
        || heap_first > base
    {
        return Err(unfit);
    }

    let before = memory.size();
    let mut asking = Asking {
        memory,
        asked: 0,
        refused: 0,
    };
    if before < base {
        match asking.grow(before, Pages(base.0 - before.0)) {
            Grown::Contiguous => {}
            Grown::Refused => {
                return Err(Refusal::Budget {
                    have: before.0,
                    need: base.0,
                });
            }
            Grown::Elsewhere(found) => {
                return Err(Refusal::Foreign {
                    expected: before.0,
                    found: found.0,
                });
            }
        }
    }

    let heap_start = heap_first.bytes().get() as u32;
    let fresh_from = before.min(base).bytes().get() as u32;
    let heap_end = match ownership {
        Ownership::Whole => c_start,
        // Pages between the declared memory and today's may be the other allocator's.
        Ownership::Beside if before > heap_first => heap_start,
        Ownership::Beside => region_base,
    };
    let existing = before.saturating_sub(base);
    let region = match ownership {
        Ownership::Beside if existing > Pages::ZERO => Reserved {
            got: Pages::ZERO,
            outcome: RegionOutcome::Occupied,
        },
        _ => reserve_region(
            &mut asking,
            plan.policy(),
            base,
            existing.min(max),
            existing,
            max,
        ),
    };
    let region_len = region.got.bytes().get() as u32;
    let adopted_region = existing.min(region.got);
    let adopted_heap = match ownership {
        Ownership::Whole => before.min(base).saturating_sub(heap_first),
        Ownership::Beside => Pages::ZERO,
    };
    Ok(Grant {
        heap: Span::between(heap_start, heap_end, fresh_from),
        c_heap: Span::between(c_start, c_start + c_len, fresh_from),
        region: Span::between(
            region_base,
            region_base + region_len,
            region_base + adopted_region.bytes().get() as u32,
        ),
        region_limit: match region.outcome {
            RegionOutcome::OnDemand => max.bytes().get() as u32,
            _ => region_len,
        },
        outcome: region.outcome,
        grows_asked: asking.asked,
        grows_refused: asking.refused,
        adopted: Pages(adopted_heap.0 + adopted_region.0),
    })
}

struct Reserved {
    got: Pages,
    outcome: RegionOutcome,
}

/// `adopted` pages of the region exist; memory ends `existing` pages past `base`.
fn reserve_region<M: Memory>(
    asking: &mut Asking<'_, M>,
    policy: Policy,
    base: Pages,
    adopted: Pages,
    existing: Pages,
    max: Pages,
) -> Reserved {
    let got = |got: Pages| Reserved {
        got,
        outcome: match got {
            Pages::ZERO if max > Pages::ZERO => RegionOutcome::Refused,
            got if got < max => RegionOutcome::Partial,
            _ => RegionOutcome::Full,
        },
    };
    let occupied = |got: Pages| Reserved {
        got,
        outcome: RegionOutcome::Occupied,
    };
    let mut have = adopted;
    let mut reach = |have: &mut Pages, total| asking.reach(base, existing, have, total);
    match policy {
        Policy::Off => Reserved {
            got: Pages::ZERO,
            outcome: RegionOutcome::Off,
        },
        Policy::OnDemand { .. } => Reserved {
            got: adopted,
            outcome: RegionOutcome::OnDemand,
        },
        Policy::Exact => match reach(&mut have, max) {
            Ok(true) => got(max),
            Ok(false) => got(Pages::ZERO),
            Err(()) => occupied(Pages::ZERO),
        },
        Policy::Ladder => {
            let mut total = max;
            loop {
                match reach(&mut have, total) {
                    Ok(true) => return got(total),
                    Ok(false) => {}
                    Err(()) => return occupied(Pages::ZERO),
                }
                total = Pages(total.0 / 2);
                if total.0 < Pages::PER_MIB {
                    return got(Pages::ZERO);
                }
            }
        }
        Policy::Probe => {
            match reach(&mut have, max) {
                Ok(true) => return got(max),
                Ok(false) => {}
                Err(()) => return occupied(have.floor_to_mib()),
            }
            let mut step = Pages(max.0.next_power_of_two() / 2);
            while step.0 >= Pages::PER_MIB {
                let total = Pages(have.floor_to_mib().0 + step.0);
                if total < max && reach(&mut have, total).is_err() {
                    return occupied(have.floor_to_mib());
                }
                step = Pages(step.0 / 2);
            }
            got(have.floor_to_mib())
        }
    }
}
