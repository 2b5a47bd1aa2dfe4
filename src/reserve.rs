//! Reserves memory, once in the life of an instance.
//!
//! ```text
//! the first allocation ── Global::serve_slowly ── by_allocator ─┐
//!        ▲                                                      ├─ reserve_once ── probe::obtain
//! reserve(), open_cache() ── beside_allocator ──────────────────┘
//! ```
//!
//! `beside_allocator` makes an allocation first: where the allocator is ours, that one reserves,
//! with the plan that it was declared with.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;

use crate::exclusive::Exclusive;
use crate::instance_info::{self, InstanceInfo, Reservation, with_exported, with_info};
use crate::line::Line;
use crate::memory::platform::{self, per_instance};
use crate::memory::{Memory, StaticEnd};
use crate::plan::{EncodedPlan, Plan};
use crate::probe::{self, Grant, Ownership, RegionOutcome, ReserveError};
use crate::units::{Bytes, Pages};

static DEFAULT: EncodedPlan = Plan::DEFAULT.encode();

/// Says one line to whoever runs the module, without the heap.
pub(crate) type Voice = fn(&str);

/// Whether anybody can hear: if not, the words stay out of the module.
const HAS_VOICE: bool = platform::HAS_STANDARD_ERROR || cfg!(feature = "metashrew");

per_instance! {
    /// Whether the region is left to whoever opens the cache.
    static REGION_LATER: Exclusive<bool> = Exclusive::new(false);
    static VOICE: Exclusive<Voice> = Exclusive::new(platform::last_words);
    static SILENT: Exclusive<bool> = Exclusive::new(false);
    static REFUSAL_SINK: Exclusive<Option<fn(&ReserveError)>> = Exclusive::new(None);
}

/// Reserves memory now, unless it is reserved already, and tells what was granted.
///
/// A module that wrote [`plan!`](crate::plan!) need not call it: the first allocation reserves. A
/// module that keeps another global allocator calls it as the first statement of `_start`, so that
/// the region finds its place free; it gets [`Plan::DEFAULT`], or the plan given to
/// [`reserve_with`].
///
/// Costs at most 14 calls of `memory.grow` the first time, whatever the sizes.
///
/// # Aborts
/// When the host refuses the heap's budget (see [`ReserveError`]); a sink set by [`on_refusal`] is
/// called before.
///
/// ```
/// let grant = steadfast::reserve();
/// assert_eq!(u64::from(grant.region.start), steadfast::Plan::DEFAULT.region_base().get());
/// assert_eq!(steadfast::reserve(), grant);
/// ```
pub fn reserve() -> Grant {
    beside_allocator(|| &DEFAULT)
}

/// As [`reserve`], with a plan of one's own, for modules that keep another global allocator.
///
/// If memory is reserved already, or the module wrote [`plan!`](crate::plan!), that plan stays.
pub fn reserve_with(plan: &Plan) -> Grant {
    beside_allocator(|| Box::leak(Box::new(plan.encode())))
}

/// Reserves with this plan if the module has another global allocator than ours.
fn beside_allocator(plan: impl FnOnce() -> &'static EncodedPlan) -> Grant {
    reserve_region_left();
    if let Some(grant) = granted() {
        return grant;
    }
    let mut static_end = platform::static_end();
    let untouched = u64::from(static_end.initial_memory) == platform::Linear.size().bytes().get();
    allocate_once();
    if let Some(grant) = granted() {
        return grant;
    }
    let plan = plan();
    if untouched {
        // What the other allocator took just now is its own, and the same on every host.
        static_end.initial_memory = platform::Linear.size().bytes().get() as u32;
    }
    reserve_once(plan, static_end, Ownership::Beside)
}

/// Reserves with the plan of the module's allocator, which is ours and has had its first request.
#[inline]
pub(crate) fn by_allocator(plan: &'static EncodedPlan, voice: Voice) -> Grant {
    if HAS_VOICE {
        VOICE.set(voice);
    }
    reserve_once(plan, platform::static_end(), Ownership::Whole)
}

/// If the module's allocator is ours, and this is its first request, it reserves.
fn allocate_once() {
    // Large enough for a heap to take it as it is, without carving blocks and touching their pages.
    drop(black_box(Vec::<u8>::with_capacity(4096)));
}

/// Asks the host, notes the answer, and stops the module if the heap's budget is refused. Does
/// nothing but answer if that was done before.
#[inline]
fn reserve_once(plan: &'static EncodedPlan, static_end: StaticEnd, ownership: Ownership) -> Grant {
    let reserved = with_exported(|info, plan_used| {
        if let Some(grant) = info.grant() {
            return Ok(grant);
        }
        if info.is_refused() {
            // The sink that was told why there is no heap asks for some.
            platform::abort();
        }
        *plan_used = Some(plan);
        let mut plan = Plan::read(plan);
        if REGION_LATER.get() {
            plan = plan.without_region();
        }
        let grant = probe::obtain(
            &mut platform::Linear,
            &plan,
            static_end,
            ownership,
            platform::C_FAMILY,
        )?;
        Ok(info.note_grant(grant))
    });
    match reserved {
        Ok(grant) => grant,
        Err(refusal) => stop(refusal),
    }
}

/// Reserves the heap's budget alone. The region is asked for when the cache is opened, or at
/// [`reserve`].
///
/// For a function after which a snapshot of the instance becomes a module of its own (as Wizer
/// takes it), as its first statement: the snapshot then has the budget for its minimum, and each of
/// its instances gets the region that its host grants. Otherwise the region that the first host
/// granted is the minimum too, and every later host has to have as much.
///
/// Answers what was granted: the region as well, where an allocation came before, and nothing in a
/// module that keeps another allocator than steadfast's. Costs one call of `memory.grow`.
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
        REGION_LATER.set(true);
        allocate_once();
        if granted().is_none() {
            REGION_LATER.set(false);
        }
    }
    granted()
}

/// Asks for the region if [`reserve_heap`] has left it. The budget exists, so nothing else is asked
/// for.
fn reserve_region_left() {
    if !REGION_LATER.get() {
        return;
    }
    REGION_LATER.set(false);
    with_exported(|info, plan_used| {
        let (Some(plan), Some(before)) = (*plan_used, info.grant()) else {
            return;
        };
        let now = probe::obtain(
            &mut platform::Linear,
            &Plan::read(plan),
            platform::static_end(),
            Ownership::Whole,
            platform::C_FAMILY,
        );
        // Nothing is refused that matters.
        let Ok(mut now) = now else { return };
        now.grows_asked += before.grows_asked;
        now.grows_refused += before.grows_refused;
        if now.fresh_offset(now.region) == 0 {
            // What the heap had grown itself it still has.
            now.adopted = before.adopted;
        }
        info.note_grant(now);
    });
}

/// Sets what is called with the reason before the module stops for want of its heap's budget, or
/// because somebody uses pages of it.
///
/// The module says the reason itself before that, in one line: on standard error in a WASI program,
/// in the host's log with the feature `metashrew`. The sink runs without a heap. If it allocates,
/// the module stops there.
pub fn on_refusal(sink: fn(&ReserveError)) {
    REFUSAL_SINK.set(Some(sink));
}

/// What was granted, once it is decided.
pub fn granted() -> Option<Grant> {
    instance_info::current().grant()
}

/// What was granted, the instance info within the host's limit, and the plan. Reserves first if
/// that is still to be done.
pub(crate) fn in_force() -> (Grant, InstanceInfo, &'static EncodedPlan) {
    let grant = reserve();
    let (info, plan) = instance_info::limited();
    (grant, info, plan.unwrap_or(&DEFAULT))
}

/// Notes why there is no heap, or not any more, tells it and stops the module. A caller has only
/// the reasons that it can have.
#[inline(always)]
pub(crate) fn stop(why: ReserveError) -> ! {
    use ReserveError::{Budget, Foreign, Occupied, StaticData};
    match why {
        Budget { have, need } => the_host_refused_the_heap_budget(&why, have, need),
        StaticData { contents, .. } => static_data_reach_past_the_heap(&why, contents),
        Foreign { expected, found } => memory_grew_during_the_reservation(&why, expected, found),
        Occupied { at } => memory_grew_before_and_somebody_uses_it(&why, at),
    }
}

// The names of these four tell the reason in the backtrace of any host, also where the sink stops.

#[cold]
#[inline(never)]
fn the_host_refused_the_heap_budget(why: &ReserveError, have: u32, need: u32) -> ! {
    tell(why, Reservation::BudgetRefused, have, need);
    platform::abort()
}

#[cold]
#[inline(never)]
fn static_data_reach_past_the_heap(why: &ReserveError, contents: u32) -> ! {
    tell(why, Reservation::StaticDataTooLarge, 0, contents);
    platform::abort()
}

#[cold]
#[inline(never)]
fn memory_grew_during_the_reservation(why: &ReserveError, expected: u32, found: u32) -> ! {
    tell(why, Reservation::ForeignGrowth, expected, found);
    platform::abort()
}

#[cold]
#[inline(never)]
fn memory_grew_before_and_somebody_uses_it(why: &ReserveError, at: u32) -> ! {
    tell(why, Reservation::ForeignPages, 0, at);
    platform::abort()
}

#[cold]
#[inline(never)]
fn tell(why: &ReserveError, state: Reservation, have_pages: u32, need: u32) {
    with_info(|info| {
        if info.is_refused() {
            // The sink that is told of it asks for more.
            platform::abort();
        }
        info.note_refusal(state, have_pages, need);
    });
    say(format_args!("{why}"));
    if let Some(sink) = REFUSAL_SINK.get() {
        sink(why);
    }
}

/// Says one line, without the heap.
pub(crate) fn say(words: fmt::Arguments<'_>) {
    if HAS_VOICE && !SILENT.get() {
        VOICE.get()(Line::of(words).text());
    }
}

/// Runs `f` with nothing said: while a host places something in a component, it must not be called.
pub(crate) fn in_silence<R>(f: impl FnOnce() -> R) -> R {
    SILENT.set(true);
    let result = f();
    SILENT.set(false);
    result
}

/// Notes that the cache uses no more than `len` bytes of the region, since somebody uses the rest.
pub(crate) fn cut_region(len: u32) {
    with_info(|info| {
        info.region_len = info.region_len.min(len);
        info.region_limit = info.region_limit.min(len);
        info.region_outcome = RegionOutcome::Occupied as u32;
    });
    say(format_args!(
        "pages of the region are somebody else's: the cache has {len} bytes and leaves them alone"
    ));
}

/// Grows the region on demand by `bytes`, rounded up to pages; answers the bytes that it grew by, 0
/// when refused or when somebody else's pages follow it.
pub(crate) fn extend_region(bytes: u32) -> u32 {
    let Some(by) = Bytes::new(u64::from(bytes)).pages_up() else {
        return 0;
    };
    with_info(|info| {
        let end = Pages((info.region_start + info.region_granted) >> 16);
        let room = info.region_limit.saturating_sub(info.region_granted) >> 16;
        let by = Pages(by.0.min(room));
        if by == Pages::ZERO || platform::Linear.size() != end {
            return 0;
        }
        let got = platform::Linear.grow(by);
        let grown = match got {
            Some(before) if before == end => by.address(),
            _ => 0,
        };
        info.grows_asked += 1;
        info.grows_refused += u32::from(got.is_none());
        info.region_granted += grown;
        info.region_len = info.region_granted.min(info.cache_limit);
        grown
    })
}

// A refusal stops a module for good, unless it unwinds. Each test takes a whole memory: too much
// for Miri.
#[cfg(all(test, panic = "unwind", not(miri)))]
mod tests;
