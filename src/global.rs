//! The module's global allocator.

#[doc(hidden)]
pub mod c;

use core::alloc::{GlobalAlloc, Layout};
use core::hint::assert_unchecked;
use core::ptr;

use crate::exclusive::Exclusive;
use crate::heap::{Heap, MAX_ALIGN};
use crate::instance_info::{Exhaustion, InstanceInfo, with_info};
use crate::memory::platform;
use crate::plan::{EncodedPlan, Plan};
use crate::probe::{AddressRange, Grant, ReserveError};
use crate::reserve::{Voice, by_allocator, say, stop};
use crate::units::PAGE_BYTES;

/// The allocator that [`plan!`](crate::plan!) declares.
///
/// Serves requests from the heap's budget, which it reserves at the first of them. Whether a
/// request succeeds depends on the program's own requests alone. A request that does not fit is
/// answered with a null pointer and noted in the [instance
/// info](crate::instance_info::InstanceInfo).
///
/// Every value of this type serves from the one heap of the module.
#[derive(Debug)]
pub struct Global {
    plan: &'static EncodedPlan,
    voice: Voice,
    /// Where C's part begins: Rust's blocks stand below.
    c_start: usize,
}

static HEAP: Exclusive<Heap> = Exclusive::new(Heap::new());

/// Which part of the budget a heap serves.
#[derive(Clone, Copy)]
enum Part {
    Rust = 0,
    C = 1,
}

impl Part {
    #[inline]
    fn span(self, grant: &Grant) -> AddressRange {
        match self {
            Part::Rust => grant.heap,
            Part::C => grant.c_heap,
        }
    }

    #[inline]
    fn usage(self, info: &mut InstanceInfo) -> &mut u32 {
        match self {
            Part::Rust => &mut info.heap_usage_address,
            Part::C => &mut info.c_heap_usage_address,
        }
    }
}

impl Global {
    /// The allocator over the budget of the plan that these bytes [encode](Plan::encode).
    ///
    /// [`plan!`](crate::plan!) calls it. It is `unsafe`, so that safe code cannot have a second
    /// allocator:
    ///
    /// ```compile_fail
    /// use steadfast::{EncodedPlan, Global, Plan};
    ///
    /// static PLAN: EncodedPlan = Plan::DEFAULT.encode();
    /// static SECOND: Global = Global::new(&PLAN);
    /// ```
    ///
    /// # Safety
    /// The value is the module's `#[global_allocator]`: its first request takes over all memory
    /// above static data.
    ///
    /// # Panics
    /// When they are no plan; a compile error in a constant.
    pub const unsafe fn new(plan: &'static EncodedPlan) -> Self {
        assert!(Plan::decode_whole(plan).is_ok(), "the bytes are no plan");
        let decoded = Plan::read(plan);
        Self {
            plan,
            voice: platform::last_words,
            c_start: (decoded.region_base().get() - decoded.c_heap().get()) as usize,
        }
    }

    /// Says elsewhere why the module stops, or why a request is refused. The voice must not
    /// allocate.
    #[doc(hidden)]
    pub const fn with_voice(self, voice: fn(&str)) -> Self {
        Self { voice, ..self }
    }

    /// Whether the block came from [`cabi_realloc`](c::cabi_realloc): a host placed a string or a
    /// list there, which then belongs to Rust. A constant comparison where the module may be a
    /// component, nothing elsewhere.
    #[inline(always)]
    fn is_from_c_part(&self, block: *mut u8) -> bool {
        platform::COMPONENTS && block.addr() >= self.c_start
    }

    /// Serves a request that the part's heap answered with null: the first of all, which reserves
    /// memory. The others are noted, and get null again. The block is zeroed, which serves all
    /// kinds of requests.
    #[cold]
    #[inline(never)]
    fn serve_slowly(&self, heap: &Exclusive<Heap>, part: Part, layout: Layout) -> *mut u8 {
        let mut block = ptr::null_mut();
        // SAFETY: the closure calls nothing but the heap.
        if !unsafe { heap.with_leaf(|heap| heap.is_adopted()) } {
            let grant = by_allocator(self.plan, self.voice);
            block = part.serve_first(heap, &grant, layout);
        }
        if block.is_null() {
            part.refuse(heap, layout);
        }
        block
    }
}

impl Part {
    /// Gives the heap its span, and serves the request from it.
    #[inline]
    fn serve_first(self, heap: &Exclusive<Heap>, grant: &Grant, layout: Layout) -> *mut u8 {
        // SAFETY: the closure calls nothing but the heap, and the instance info is another cell.
        unsafe {
            heap.with_leaf(|heap| {
                with_info(|info| {
                    adopt(heap, grant, self.span(grant), info.host_pages_from);
                    // 0 where addresses are wider.
                    let usage = u32::try_from(ptr::from_ref(heap.usage()).addr()).unwrap_or(0);
                    *self.usage(info) = usage;
                });
                heap.alloc_zeroed(layout)
            })
        }
    }

    /// Notes a request that got null, and says so. Stops the module where the heap has come to
    /// pages that somebody uses.
    #[cold]
    #[inline(never)]
    fn refuse(self, heap: &Exclusive<Heap>, layout: Layout) {
        // SAFETY: the closure calls nothing but the heap.
        let foreign = unsafe { heap.with_leaf(|heap| heap.foreign()) };
        if let Some(address) = foreign {
            stop(ReserveError::Occupied {
                at: saturate(address),
            });
        }
        let told = with_info(|info| {
            // SAFETY: as above.
            unsafe { heap.with_leaf(|heap| info.note_exhaustion(heap, self, layout)) }
        });
        if let Some(exhaustion) = told {
            say(format_args!("{exhaustion}"));
        }
    }
}

impl Global {
    /// Moves what a host has placed into a block of Rust's own.
    ///
    /// # Safety
    /// As for [`GlobalAlloc::realloc`], and the block is the C part's.
    #[cold]
    #[inline(never)]
    unsafe fn move_from_c_part(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's duty; both blocks hold the bytes copied.
        unsafe {
            let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
            if !moved.is_null() {
                ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                c::free(block);
            }
            moved
        }
    }
}

/// # Safety
/// As for [`c::free`].
#[cold]
#[inline(never)]
unsafe fn free_in_c_part(block: *mut u8) {
    // SAFETY: the caller's duty.
    unsafe { c::free(block) }
}

fn adopt(heap: &mut Heap, grant: &Grant, span: AddressRange, host_pages_from: u32) {
    // In a native process another thread may have been first.
    if !platform::SINGLE_THREADED && heap.is_adopted() {
        return;
    }
    let mut undeclared = grant.undeclared(span, platform::static_end());
    // The host may have grown pages itself, and have said so.
    if host_pages_from > 0 {
        let from = host_pages_from.saturating_sub(span.start);
        undeclared.end = undeclared.end.min(from);
    }
    // SAFETY: the span was reserved for this heap alone, is made of whole pages, and exists.
    unsafe {
        heap.adopt_beside(
            platform::pointer(span.start),
            span.len as usize,
            grant.fresh_offset(span) as usize,
            undeclared.start as usize..undeclared.end as usize,
        );
    }
}

// SAFETY: blocks come from the heap, which hands out each byte once and keeps to the layout.
unsafe impl GlobalAlloc for Global {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: nobody asks for no bytes: the caller's duty.
        unsafe { assert_unchecked(layout.size() > 0) };
        let mut block = with_heap(|heap| heap.alloc(layout));
        if block.is_null() {
            block = self.serve_slowly(&HEAP, Part::Rust, layout);
        }
        trace(block, layout)
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if self.is_from_c_part(block) {
            // SAFETY: the caller's duty, and the block is the C part's.
            return unsafe { free_in_c_part(block) };
        }
        // SAFETY: the caller's duty is the same.
        with_heap(|heap| unsafe { heap.dealloc(block, layout) });
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let mut block = with_heap(|heap| heap.alloc_zeroed(layout));
        if block.is_null() {
            block = self.serve_slowly(&HEAP, Part::Rust, layout);
        }
        trace(block, layout)
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if self.is_from_c_part(block) {
            // SAFETY: the caller's duty is the same, and the block is the C part's.
            return unsafe { self.move_from_c_part(block, layout, new_size) };
        }
        // SAFETY: the caller's duty is the same; `new_size` is not 0, and with this alignment it is
        // a valid layout.
        let (mut moved, wanted) = unsafe {
            assert_unchecked(layout.size() > 0 && new_size > 0);
            (
                with_heap(|heap| heap.realloc(block, layout, new_size)),
                Layout::from_size_align_unchecked(new_size, layout.align()),
            )
        };
        if moved.is_null() {
            moved = self.serve_slowly(&HEAP, Part::Rust, wanted);
        }
        trace(moved, wanted)
    }
}

fn with_heap<R>(f: impl FnOnce(&mut Heap) -> R) -> R {
    // SAFETY: no closure in this file calls back into the allocator.
    unsafe { HEAP.with_leaf(f) }
}

/// Takes a block that was handed out into the running digest.
#[inline(always)]
fn trace(block: *mut u8, layout: Layout) -> *mut u8 {
    if cfg!(feature = "trace") && !block.is_null() {
        with_info(|info| info.trace(block.addr() as u64, layout));
    }
    block
}

/// This many refused requests of an instance are told, and from then on each whose number is a
/// power of two.
const ALL_TOLD: u32 = 16;

impl InstanceInfo {
    /// One step of the digest: a multiply and a rotation for each of address, size and alignment.
    fn trace(&mut self, address: u64, layout: Layout) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        for word in [address, layout.size() as u64, layout.align() as u64] {
            self.trace_digest = (self.trace_digest ^ word).wrapping_mul(ODD).rotate_left(29);
        }
        self.trace_count += 1;
    }

    /// Counts a request that could not be served, and notes and returns it if it is to be told: a
    /// program may handle one and stop at a later one. To note it takes time in proportion to the
    /// heap's runs, so of many it is done ever more rarely.
    fn note_exhaustion(&mut self, heap: &Heap, part: Part, layout: Layout) -> Option<Exhaustion> {
        self.exhausted_count = self.exhausted_count.saturating_add(1);
        if self.exhausted_count > ALL_TOLD && !self.exhausted_count.is_power_of_two() {
            return None;
        }
        let counters = heap.stats();
        self.exhausted_request = saturate(layout.size());
        self.exhausted_align = saturate(layout.align());
        self.exhausted_live = saturate(counters.live_bytes);
        self.exhausted_largest_free = saturate(counters.largest_free_bytes);
        self.exhausted_budget = saturate(counters.budget_bytes);
        self.exhausted_part = part as u32;
        self.exhaustion()
    }
}

const _: () = assert!(
    MAX_ALIGN as u64 == PAGE_BYTES,
    "the instance info tells a page from more"
);

fn saturate(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Declares steadfast as the module's global allocator, over the plan given or [`Plan::DEFAULT`].
///
/// Written once, at the top level of the indexer's crate. Emits the allocator, the custom section
/// from which a host reads the plan, and C's allocation family on WASI or with the feature `c`. In
/// a native program it only checks the plan: the region is that of [`Plan::DEFAULT`] there, or of
/// the plan that [`reserve_with`](crate::reserve_with) is given first. It may stand in a crate with
/// `#![forbid(unsafe_code)]`.
///
/// ```
/// use steadfast::{Bytes, Plan};
///
/// steadfast::plan!(Plan::DEFAULT.with_region_max(Bytes::mib(256)));
/// # fn main() {}
/// ```
///
/// A plan whose numbers do not fit together does not compile:
///
/// ```compile_fail
/// use steadfast::{Bytes, Plan};
///
/// steadfast::plan!(Plan::DEFAULT.with_region_base(Bytes::new(1000)));
/// # fn main() {}
/// ```
///
/// Neither do two plans:
///
/// ```compile_fail
/// steadfast::plan!();
/// steadfast::plan!();
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! plan {
    () => {
        $crate::plan!($crate::Plan::DEFAULT);
    };
    ($plan:expr) => {
        // A second plan beside it defines the name again, which is an error on every target. A
        // plain `PLAN` would be a name of the caller's.
        const __STEADFAST_PLAN: $crate::Plan = $crate::Plan::checked($plan);
        const _: () = {
            $crate::__install!(__STEADFAST_PLAN);
        };
    };
}
