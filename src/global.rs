//! The module's global allocator.

#[doc(hidden)]
pub mod c;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;

use crate::exclusive::Exclusive;
use crate::heap::Heap;
use crate::memory::platform;
use crate::plan::Plan;
use crate::probe::{Grant, Span};
use crate::record::{Record, with_record};
use crate::reserve::{self, granted};

/// The allocator that [`plan!`](crate::plan!) declares.
///
/// Serves requests from the heap's budget, which it reserves at the first of them. Whether a request succeeds depends on the
/// program's own requests alone. A request that does not fit is answered with a null pointer and noted in the
/// [record](crate::record::Record).
///
/// Every value of this type serves from the one heap of the module.
#[derive(Debug)]
pub struct Global {
    plan: Plan,
    encoded: [u8; Plan::ENCODED_LEN],
}

static HEAP: Exclusive<Heap> = Exclusive::new(Heap::new());

impl Global {
    /// The allocator over `plan`'s budget.
    pub const fn new(plan: Plan) -> Self {
        Self {
            plan: plan.checked(),
            encoded: plan.encode(),
        }
    }

    fn reserve(&self) -> Grant {
        granted().unwrap_or_else(|| reserve::decide_whole(&self.plan, &self.encoded))
    }

    /// Reserves, if that is still to be done, and tries again; notes a request that cannot be served.
    #[cold]
    #[inline(never)]
    fn first_or_exhausted(
        &self,
        layout: Layout,
        serve: fn(&mut Heap, Layout) -> *mut u8,
    ) -> *mut u8 {
        let adopted = with_heap(|heap| heap.is_adopted());
        if !adopted {
            let grant = self.reserve();
            let gauges = adopt(&HEAP, grant.heap);
            with_record(|record| record.heap_gauges = gauges);
            let block = with_heap(|heap| serve(heap, layout));
            if !block.is_null() {
                return block;
            }
        }
        note_exhaustion(&HEAP, layout);
        ptr::null_mut()
    }
}

fn with_heap<R>(f: impl FnOnce(&mut Heap) -> R) -> R {
    // SAFETY: no closure in this file calls back into the allocator.
    unsafe { HEAP.with_leaf(f) }
}

/// Gives a heap its span, once. Answers where its gauges stand in linear memory; 0 where addresses are wider.
fn adopt(heap: &Exclusive<Heap>, span: Span) -> u32 {
    heap.with(|heap| {
        if !heap.is_adopted() && span.len > 0 {
            // SAFETY: the span was reserved for this heap alone, is made of whole pages, and exists.
            unsafe {
                heap.adopt(
                    platform::pointer(span.start),
                    span.len as usize,
                    (span.fresh_from - span.start) as usize,
                );
            }
        }
        u32::try_from(ptr::from_ref(heap.gauges()).addr()).unwrap_or(0)
    })
}

// SAFETY: blocks come from the heap, which hands out each byte once and keeps to the layout.
unsafe impl GlobalAlloc for Global {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut block = with_heap(|heap| heap.alloc(layout));
        if block.is_null() {
            block = self.first_or_exhausted(layout, Heap::alloc);
        }
        trace(block, layout);
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's duty is the same.
        with_heap(|heap| unsafe { heap.dealloc(block, layout) });
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let mut block = with_heap(|heap| heap.alloc_zeroed(layout));
        if block.is_null() {
            block = self.first_or_exhausted(layout, Heap::alloc_zeroed);
        }
        trace(block, layout);
        block
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's duty is the same; `new_size` with this alignment is a valid layout.
        let (moved, wanted) = unsafe {
            (
                with_heap(|heap| heap.realloc(block, layout, new_size)),
                Layout::from_size_align_unchecked(new_size, layout.align()),
            )
        };
        if moved.is_null() {
            return self.first_or_exhausted(wanted, |_, _| ptr::null_mut());
        }
        trace(moved, wanted);
        moved
    }
}

/// Takes a block that was handed out into the running digest.
#[inline(always)]
fn trace(block: *mut u8, layout: Layout) {
    if cfg!(feature = "trace") {
        with_record(|record| record.trace(block.addr() as u64, layout));
    }
}

impl Record {
    /// One step of the digest: a multiply and a rotation for each of address, size and alignment.
    fn trace(&mut self, address: u64, layout: Layout) {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        for word in [address, layout.size() as u64, layout.align() as u64] {
            self.trace_digest = (self.trace_digest ^ word).wrapping_mul(ODD).rotate_left(29);
        }
        self.trace_count += 1;
    }
}

/// Notes a request that could not be served. The first one stays, since only its moment tells what went wrong.
fn note_exhaustion(heap: &Exclusive<Heap>, layout: Layout) {
    let nth = with_record(|record| {
        record.exhausted_count = record.exhausted_count.saturating_add(1);
        record.exhausted_count
    });
    if nth == 1 {
        let counters = heap.with(|heap| heap.counters());
        with_record(|record| {
            record.exhausted_request = saturate(layout.size());
            record.exhausted_align = saturate(layout.align());
            record.exhausted_live = saturate(counters.live_bytes);
            record.exhausted_largest_free = saturate(counters.largest_free_bytes);
            record.exhausted_budget = saturate(counters.budget_bytes);
        });
    }
}

fn saturate(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Declares steadfast as the module's global allocator, over the plan given or [`Plan::DEFAULT`].
///
/// Written once, at the top level of the indexer's crate. Emits the allocator, the custom section from which a host reads the
/// plan, and on `wasm32-wasip1` C's allocation family. In a native program it only checks the plan.
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
#[macro_export]
macro_rules! plan {
    () => {
        $crate::plan!($crate::Plan::DEFAULT);
    };
    ($plan:expr) => {
        const _: () = {
            // Names of items are the caller's too: a plain `PLAN` would be its own.
            const __STEADFAST_PLAN: $crate::Plan = $crate::Plan::checked($plan);
            $crate::__install!(__STEADFAST_PLAN);
        };
    };
}
