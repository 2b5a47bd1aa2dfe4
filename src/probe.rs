//! Reserves linear memory once: the heap's budget, then as much of the region as the host grants.

use core::ops::Range;

use crate::memory::{Memory, StaticEnd};
use crate::plan::{Plan, Policy};
use crate::units::Pages;

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
pub struct AddressRange {
    /// The first address.
    pub start: u32,
    /// Bytes.
    pub len: u32,
}

impl AddressRange {
    /// The pages `first..end`.
    fn between(first: Pages, end: Pages) -> Self {
        Self {
            start: first.address(),
            len: Pages(end.0 - first.0).address(),
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
        Some(match code {
            0 => Self::Full,
            1 => Self::Partial,
            2 => Self::Refused,
            3 => Self::Off,
            4 => Self::Occupied,
            5 => Self::OnDemand,
            _ => return None,
        })
    }
}

/// What was reserved, and what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The heap's budget. Empty where another allocator may own its pages.
    pub heap: AddressRange,
    /// The part that serves C.
    pub c_heap: AddressRange,
    /// The region: always at the plan's base, `len` as granted.
    pub region: AddressRange,
    /// Bytes to which the region may still grow on demand; its granted length under the other
    /// policies. Less where the host limits the cache.
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

impl Grant {
    /// The offset from the start of `span`, one of the grant's, from which on bytes are zero and
    /// untouched: pages that we grew. It may lie past the span's end.
    pub fn fresh_offset(&self, span: AddressRange) -> u32 {
        let behind_heap_start = span.start.saturating_sub(self.heap.start);
        self.adopted.address().saturating_sub(behind_heap_start)
    }

    /// The offsets from the start of `span`, one of the grant's, of pages that existed beforehand
    /// without the module having declared them. Who grew them may use them.
    pub(crate) fn undeclared(&self, span: AddressRange, static_end: StaticEnd) -> Range<u32> {
        let declared = static_end.initial_memory.saturating_sub(span.start);
        let existing = self.fresh_offset(span).min(span.len);
        declared.min(existing)..existing
    }
}

/// Why the heap's budget could not be reserved, or not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReserveError {
    /// The host refused the growth.
    #[error(
        "the host refused the heap's budget: memory has {have} pages of 64 KiB, the plan needs {need}; \
         raise the host's memory limit or, where the module itself declares a lower maximum (--max-memory), that; \
         or lower STEADFAST_REGION_BASE and rebuild"
    )]
    Budget {
        /// Pages that memory had.
        have: u32,
        /// Pages that the heap's budget ends at.
        need: u32,
    },
    /// Static data and stack reach past the heap's place.
    #[error(
        "static data and stack end at address {contents}, which leaves no page for the heap below the region's base {region_base} and C's part; \
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
    /// Pages that existed before the first allocation hold something.
    #[error(
        "memory grew before the first allocation, and somebody uses it: address {at:#x} is not zero; \
         whoever grew it must do so after the module's first allocation, or leave those pages empty"
    )]
    Occupied {
        /// The address of a word that is not zero.
        at: u32,
    },
}

/// Memory on its way to the reservation.
struct Growing<'a, M> {
    memory: &'a mut M,
    /// Where memory ends, as far as it is ours.
    end: Pages,
    asked: u32,
    refused: u32,
}

/// Why memory does not end where it should.
enum Short {
    Refused,
    /// Somebody else grew it in between: the growth began at this page.
    Elsewhere(Pages),
}

impl<M: Memory> Growing<'_, M> {
    /// Makes memory end at page `end` or later, asking once if it does not.
    #[inline(always)]
    fn reach(&mut self, end: Pages) -> Result<(), Short> {
        if end <= self.end {
            return Ok(());
        }
        self.asked += 1;
        match self.memory.grow(Pages(end.0 - self.end.0)) {
            Some(before) if before == self.end => {
                self.end = end;
                Ok(())
            }
            Some(before) => Err(Short::Elsewhere(before)),
            None => {
                self.refused += 1;
                Err(Short::Refused)
            }
        }
    }

    /// Obtains the region, of at most `max` pages from `base` on, of which `adopted` exist.
    #[inline(always)]
    fn obtain_region(
        &mut self,
        policy: Policy,
        base: Pages,
        adopted: Pages,
        max: Pages,
    ) -> (Pages, RegionOutcome) {
        let sized = match policy {
            Policy::Off => return (Pages::ZERO, RegionOutcome::Off),
            Policy::OnDemand { .. } => return (adopted, RegionOutcome::OnDemand),
            Policy::Exact => self.halve(base, max, max),
            Policy::Ladder => self.halve(base, max, Pages(Pages::PER_MIB)),
            Policy::Probe => self.bisect(base, adopted, max),
        };
        match sized {
            Err(got) => (got, RegionOutcome::Occupied),
            Ok(got) if got >= max => (got, RegionOutcome::Full),
            Ok(Pages::ZERO) => (Pages::ZERO, RegionOutcome::Refused),
            Ok(got) => (got, RegionOutcome::Partial),
        }
    }

    /// `max`, or the first of its halves down to `least` that the host grants. An error where
    /// somebody else grew memory.
    #[inline(always)]
    fn halve(&mut self, base: Pages, max: Pages, least: Pages) -> Result<Pages, Pages> {
        let mut total = max;
        loop {
            match self.reach(Pages(base.0 + total.0)) {
                Ok(()) => return Ok(total),
                Err(Short::Refused) => total = Pages(total.0 / 2),
                Err(Short::Elsewhere(_)) => return Err(Pages::ZERO),
            }
            if total < least {
                return Ok(Pages::ZERO);
            }
        }
    }

    /// `max`, or the most that the host grants in whole MiB. An error where somebody else grew
    /// memory.
    #[inline(always)]
    fn bisect(&mut self, base: Pages, adopted: Pages, max: Pages) -> Result<Pages, Pages> {
        let mut have = adopted.floor_to_mib();
        let (mut total, mut refused) = (max, Pages(max.0 + 1));
        loop {
            match self.reach(Pages(base.0 + total.0)) {
                Ok(()) => have = total,
                Err(Short::Refused) => refused = total,
                Err(Short::Elsewhere(_)) => return Err(have),
            }
            let between = refused.0 - have.0;
            if between <= Pages::PER_MIB {
                return Ok(have);
            }
            let half = Pages(between / 2).floor_to_mib();
            total = Pages(have.0 + half.0.max(Pages::PER_MIB));
        }
    }
}

/// Obtains what `plan` says.
///
/// Asks at most 14 times and touches no byte. Whatever `memory` answers, no sum below overflows: a
/// plan ends below 4 GiB, and what exists already is counted only up to the plan's end.
///
/// # Errors
/// When not even the heap's budget can be had.
pub fn obtain<M: Memory>(
    memory: &mut M,
    plan: &Plan,
    static_end: StaticEnd,
    ownership: Ownership,
    c_family: bool,
) -> Result<Grant, ReserveError> {
    let whole = ownership == Ownership::Whole;
    let (base, max) = (plan.region_base().pages(), plan.region_max().pages());
    let c_first = if c_family && whole {
        base.saturating_sub(plan.c_heap().pages())
    } else {
        base
    };
    let heap_first = Pages::at_or_after(match ownership {
        Ownership::Whole => static_end.contents,
        Ownership::Beside => static_end.contents.max(static_end.initial_memory),
    });
    // A heap of our own has at least one page, or the module cannot run.
    if heap_first.0 + u32::from(whole) > c_first.0 {
        return Err(ReserveError::StaticData {
            contents: static_end.contents,
            region_base: base.address(),
        });
    }

    let before = memory.size();
    let mut growing = Growing {
        memory,
        end: before,
        asked: 0,
        refused: 0,
    };
    growing.reach(base).map_err(|short| match short {
        Short::Refused => ReserveError::Budget {
            have: before.0,
            need: base.0,
        },
        Short::Elsewhere(found) => ReserveError::Foreign {
            expected: before.0,
            found: found.0,
        },
    })?;
    let existing = Pages(growing.end.0 - base.0);
    let (got, outcome) = if !whole && existing > Pages::ZERO {
        (Pages::ZERO, RegionOutcome::Occupied)
    } else {
        growing.obtain_region(plan.policy(), base, existing.min(max), max)
    };

    let region_end = Pages(base.0 + got.0);
    // Pages between the declared memory and today's may be the other allocator's.
    let (heap_end, adopted) = if whole {
        (c_first, before.min(region_end).saturating_sub(heap_first))
    } else if before > heap_first {
        (heap_first, Pages::ZERO)
    } else {
        (base, Pages::ZERO)
    };
    let region = AddressRange::between(base, region_end);
    Ok(Grant {
        heap: AddressRange::between(heap_first, heap_end),
        c_heap: AddressRange::between(c_first, base),
        region,
        region_limit: match outcome {
            RegionOutcome::OnDemand => max.address(),
            _ => region.len,
        },
        outcome,
        grows_asked: growing.asked,
        grows_refused: growing.refused,
        adopted,
    })
}
