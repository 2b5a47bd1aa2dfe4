//! The one decision about memory in the life of an instance.

use alloc::vec::Vec;
use core::hint::black_box;

use crate::exclusive::Exclusive;
use crate::memory::{Memory, StaticEnd, platform};
use crate::plan::{Plan, Policy};
use crate::probe::{self, Grant, Ownership, Refusal};
use crate::record::{State, note_plan, with_record};
use crate::units::{Bytes, Pages};

/// What was granted, and the plan that it was granted for.
static GRANT: Exclusive<Decision> = Exclusive::new(Decision::Open);

/// Whether the region is left to whoever opens the cache.
static REGION_LATER: Exclusive<bool> = Exclusive::new(false);

/// As an `Option`, with a tag of its own: undecided is all zeros, and takes no room in the module.
#[repr(u8)]
enum Decision {
    Open = 0,
    Made(Grant, Plan) = 1,
}

static REFUSAL_SINK: Exclusive<Option<fn(&Refusal)>> = Exclusive::new(None);

/// Reserves memory now, unless it is reserved already, and tells what was granted.
///
/// A module that wrote [`plan!`](crate::plan!) need not call it: the first allocation reserves. A module that keeps another
/// global allocator calls it as the first statement of `_start`, so that the region finds its place free; it gets [`Plan::DEFAULT`], or the plan given to [`reserve_with`].
///
/// Costs at most 14 calls of `memory.grow` the first time, whatever the sizes.
///
/// # Aborts
/// When the host refuses the heap's budget (see [`Refusal`]); a sink set by [`on_refusal`] is called before.
///
/// ```
/// let grant = steadfast::reserve();
/// assert_eq!(u64::from(grant.region.start), steadfast::Plan::DEFAULT.region_base().get());
/// assert_eq!(steadfast::reserve(), grant);
/// ```
pub fn reserve() -> Grant {
    reserve_with(&Plan::DEFAULT)
}

/// As [`reserve`], with a plan of one's own, for modules that keep another global allocator.
///
/// Where memory is reserved already, or the module wrote [`plan!`](crate::plan!), that plan stays.
pub fn reserve_with(plan: &Plan) -> Grant {
    settle_region();
    if let Some(grant) = granted() {
        return grant;
    }
    let mut static_end = platform::static_end();
    let untouched = u64::from(static_end.initial_memory) == platform::Linear.size().bytes().get();
    touch_allocator();
    if let Some(grant) = granted() {
        return grant;
    }
    if untouched {
        // What the other allocator took just now is its own, and the same on every host.
        static_end.initial_memory = platform::Linear.size().bytes().get() as u32;
    }
    decide(plan, &plan.encode(), static_end, Ownership::Beside)
}

/// Reserves the heap's budget alone. The region is asked for when the cache is opened, or at [`reserve`].
///
/// For a function after which a snapshot of the instance becomes a module of its own (as Wizer takes it), as its first statement: the
/// snapshot then has the budget for its minimum, and each of its instances gets the region that its host grants. Otherwise the region
/// that the first host granted is the minimum too, and every later host has to have as much.
///
/// Answers what was granted: the region as well, where an allocation came before, and nothing in a module that keeps another
/// allocator than steadfast's. Costs one call of `memory.grow`.
///
/// # Aborts
/// As [`reserve`].
///
/// ```
/// // This program keeps another allocator.
/// assert_eq!(steadfast::reserve_heap(), None);
/// ```
pub fn reserve_heap() -> Option<Grant> {
    if granted().is_none() {
        REGION_LATER.with(|later| *later = true);
        touch_allocator();
        if granted().is_none() {
            REGION_LATER.with(|later| *later = false);
        }
    }
    granted()
}

/// Asks for the region, where [`reserve_heap`] has left it.
fn settle_region() {
    if !REGION_LATER.with(core::mem::take) {
        return;
    }
    GRANT.with(|slot| {
        let Decision::Made(grant, plan) = slot else {
            return;
        };
        // The budget exists, so that nothing else is asked for, and nothing is refused that matters.
        let again = probe::reserve(
            &mut platform::Linear,
            plan,
            platform::static_end(),
            Ownership::Whole,
            platform::C_FAMILY,
        );
        if let Ok(now) = again {
            let adopted = (now.region.fresh_from - now.region.start) >> 16;
            *grant = Grant {
                heap: grant.heap,
                c_heap: grant.c_heap,
                grows_asked: grant.grows_asked + now.grows_asked,
                grows_refused: grant.grows_refused + now.grows_refused,
                adopted: Pages(grant.adopted.0 + adopted),
                ..now
            };
            with_record(|record| record.note_grant(grant));
        }
    });
}

/// Sets what is called with the reason before the module stops for want of its heap's budget.
///
/// The sink runs without a heap: it must not allocate.
pub fn on_refusal(sink: fn(&Refusal)) {
    REFUSAL_SINK.with(|slot| *slot = Some(sink));
}

/// What was granted, once it is decided.
pub fn granted() -> Option<Grant> {
    GRANT.with(|slot| match slot {
        Decision::Open => None,
        Decision::Made(grant, _) => Some(*grant),
    })
}

/// The plan that memory was reserved with, reserving it first if that is still to be done.
pub(crate) fn plan_in_force() -> Plan {
    reserve();
    GRANT.with(|slot| match slot {
        Decision::Open => Plan::DEFAULT,
        Decision::Made(_, plan) => *plan,
    })
}

/// If the module's allocator is ours, its first allocation reserves with its plan.
fn touch_allocator() {
    // Large enough for a heap to take it as it is, without carving blocks and touching their pages.
    drop(black_box(Vec::<u8>::with_capacity(4096)));
}

/// Reserves for a module whose global allocator is ours.
pub(crate) fn decide_whole(plan: &Plan, encoded: &[u8; Plan::ENCODED_LEN]) -> Grant {
    decide(plan, encoded, platform::static_end(), Ownership::Whole)
}

fn decide(
    plan: &Plan,
    encoded: &[u8; Plan::ENCODED_LEN],
    static_end: StaticEnd,
    ownership: Ownership,
) -> Grant {
    note_plan(encoded);
    let asked = match REGION_LATER.with(|later| *later) {
        true => plan.with_policy(Policy::Off),
        false => *plan,
    };
    match probe::reserve(
        &mut platform::Linear,
        &asked,
        static_end,
        ownership,
        platform::C_FAMILY,
    ) {
        Ok(grant) => {
            GRANT.with(|slot| *slot = Decision::Made(grant, *plan));
            with_record(|record| record.note_grant(&grant));
            grant
        }
        Err(refusal) => {
            with_record(|record| record.note_refusal(&refusal));
            if let Some(sink) = REFUSAL_SINK.with(|sink| *sink) {
                sink(&refusal);
            }
            match refusal {
                Refusal::Budget { .. } => the_host_refused_the_heap_budget(),
                Refusal::StaticData { .. } => static_data_reach_past_the_heap(),
                Refusal::Foreign { .. } => memory_grew_during_the_reservation(),
            }
        }
    }
}

// The names of these three tell the reason in the backtrace of any host. Their bodies differ so that they are not merged.

#[cold]
#[inline(never)]
fn the_host_refused_the_heap_budget() -> ! {
    black_box(State::BudgetRefused);
    platform::abort()
}

#[cold]
#[inline(never)]
fn static_data_reach_past_the_heap() -> ! {
    black_box(State::StaticDataTooLarge);
    platform::abort()
}

#[cold]
#[inline(never)]
fn memory_grew_during_the_reservation() -> ! {
    black_box(State::ForeignGrowth);
    platform::abort()
}

/// Grows the region on demand by `bytes`, rounded up to pages; answers the bytes that it grew by, 0 when refused or when
/// somebody else's pages follow it.
pub(crate) fn extend_region(bytes: u32) -> u32 {
    let Some(by) = Bytes::new(u64::from(bytes)).pages_up() else {
        return 0;
    };
    GRANT.with(|slot| {
        let Decision::Made(grant, _) = slot else {
            return 0;
        };
        let end = Pages((grant.region.start + grant.region.len) >> 16);
        let room = (grant.region_limit - grant.region.len) >> 16;
        let by = Pages(by.0.min(room));
        if by == Pages::ZERO || platform::Linear.size() != end {
            return 0;
        }
        let got = platform::Linear.grow(by);
        let grown = match got {
            Some(before) if before == end => by.bytes().get() as u32,
            _ => 0,
        };
        grant.region.len += grown;
        grant.grows_asked += 1;
        grant.grows_refused += u32::from(got.is_none());
        with_record(|record| {
            let limit = record.cache_limit;
            record.grows_asked += 1;
            record.grows_refused += u32::from(got.is_none());
            record.region_granted += grown;
            record.region_len = record.region_granted.min(limit);
        });
        grown
    })
}
