//! Regions over ordinary memory, fresh or full of garbage, that may grow by a script.

use super::{Checks, Mismatch, Script, Summary, noise, run};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cell::RefCell;
use std::ptr::NonNull;
use steadfast::cache::Cache;
use steadfast::region::{Growth, HEADER_BYTES, REGION_ALIGN, Region, RegionInfo, RegionParts};

/// What happens when a region asks for more memory.
#[derive(Clone, Debug)]
pub enum Grants {
    /// It cannot.
    Fixed,
    /// It may grow in steps up to a limit. Each request is answered by the next share, in 256ths of
    /// what is asked for, rounded down to a byte; when there are no more, by a refusal.
    Shares {
        /// The least number of bytes asked for at once.
        step: u32,
        /// The capacity at which it ends.
        limit: u32,
        /// The answers.
        shares: Vec<u32>,
    },
}

/// What a region is like. Sizes in bytes.
#[derive(Clone, Debug)]
pub struct Spec {
    /// The capacity at first.
    pub capacity: u32,
    /// Bytes below this hold noise.
    pub fresh_from: u32,
    /// The plan's expected entry.
    pub expected_entry: u32,
    /// Identifies the plan.
    pub plan_fingerprint: u64,
    /// What the host calls the module.
    pub module_tag: u64,
    /// What the cache loses entries by; 0 for none.
    pub forget_seed: u32,
    /// Whether it may grow.
    pub grants: Grants,
}

impl Spec {
    /// Fresh memory that does not grow.
    pub fn fresh(capacity: u32) -> Spec {
        Spec {
            capacity,
            fresh_from: 0,
            expected_entry: Region::DEFAULT_EXPECTED_ENTRY,
            plan_fingerprint: 0x5EED,
            module_tag: 0,
            forget_seed: 0,
            grants: Grants::Fixed,
        }
    }

    /// Memory full of noise that does not grow.
    pub fn dirty(capacity: u32) -> Spec {
        Spec {
            fresh_from: capacity,
            ..Spec::fresh(capacity)
        }
    }
}

thread_local! {
    /// The answers to come, last first, for the region of this thread that may grow.
    static SHARES: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

fn extend(wanted: u32) -> u32 {
    let share = SHARES.with_borrow_mut(Vec::pop).unwrap_or(0);
    ((u64::from(wanted) * u64::from(share)) / 256) as u32
}

/// A region over memory of its own, which is never freed. A thread has at most one that may grow.
pub fn region(spec: &Spec) -> Region {
    region_with_bytes(spec).0
}

/// As [`region`], with a way to its bytes from outside, as a host has.
pub fn region_with_bytes(spec: &Spec) -> (Region, Bytes) {
    region_holding(spec, &[])
}

/// As [`region_with_bytes`]; before the region is made, a host has written an image to its start,
/// as far as it fits.
pub fn region_holding(spec: &Spec, image: &[u8]) -> (Region, Bytes) {
    let image = &image[..image.len().min(spec.capacity as usize)];
    let (limit, growth) = match &spec.grants {
        Grants::Fixed => (spec.capacity, Growth::Fixed),
        Grants::Shares {
            step,
            limit,
            shares,
        } => {
            SHARES.set(shares.iter().rev().copied().collect());
            (
                (*limit).max(spec.capacity),
                Growth::OnDemand {
                    step: *step,
                    limit: *limit,
                    extend,
                },
            )
        }
    };
    let layout = layout(limit as usize);
    // SAFETY: the layout's size is not 0.
    let start =
        NonNull::new(unsafe { alloc_zeroed(layout) }).expect("there is memory for a region");
    for (at, byte) in noise(u64::from(spec.capacity))
        .take(spec.fresh_from.min(spec.capacity) as usize)
        .enumerate()
    {
        // SAFETY: `at` is below the capacity.
        unsafe { start.add(at).write(byte) };
    }
    for (at, byte) in image.iter().enumerate() {
        // SAFETY: the image has been cut off at the capacity.
        unsafe { start.add(at).write(*byte) };
    }
    let parts = RegionParts {
        start,
        capacity: spec.capacity,
        fresh_from: spec.fresh_from.max(image.len() as u32),
        expected_entry: spec.expected_entry,
        plan_fingerprint: spec.plan_fingerprint,
        module_tag: spec.module_tag,
        forget_seed: spec.forget_seed,
        growth,
    };
    // SAFETY: the allocation has the limit's size and is leaked, so it is the region's alone; it is
    // aligned; it was zeroed, and only bytes below `fresh_from` and the image were written;
    // `extend` never gives more than it is asked for, and the region never asks for more than
    // up to its limit.
    (
        unsafe { Region::from_raw(parts) },
        Bytes {
            start,
            len: limit as usize,
        },
    )
}

/// As [`run`](super::run), over memory that is freed afterwards.
///
/// # Errors
///
/// The first difference between cache and oracle.
pub fn run_once<S: Iterator<Item = u8>>(
    spec: &Spec,
    script: &mut Script<S>,
    limit: u64,
    checks: Checks,
) -> Result<Summary, Mismatch> {
    let (region, bytes) = region_with_bytes(spec);
    let result = run(&mut Cache::new(region), script, limit, checks);
    free(bytes);
    result
}

/// Opens a cache over an image, as [`region_holding`] places it, for as long as `work` runs; the
/// memory is freed afterwards.
pub fn open_once<R>(spec: &Spec, image: &[u8], work: impl FnOnce(&mut Cache, &Bytes) -> R) -> R {
    let (region, bytes) = region_holding(spec, image);
    let result = work(&mut Cache::open(region), &bytes);
    free(bytes);
    result
}

/// Frees a region's memory, whose cache is gone.
pub(super) fn free(bytes: Bytes) {
    // SAFETY: nothing uses the region any more, as the callers see to, and it was allocated with
    // this layout.
    unsafe { dealloc(bytes.start.as_ptr(), layout(bytes.len)) };
}

fn layout(len: usize) -> Layout {
    Layout::from_size_align(len.max(1), REGION_ALIGN).expect("a region's size is valid")
}

/// The bytes of a region, from outside. To be used between the operations of the region's cache.
#[derive(Debug)]
pub struct Bytes {
    start: NonNull<u8>,
    len: usize,
}

impl Bytes {
    /// Copies `len` bytes out.
    pub fn read(&self, at: usize, len: usize) -> Vec<u8> {
        assert!(
            at.checked_add(len).is_some_and(|end| end <= self.len),
            "the bytes are the region's"
        );
        // SAFETY: just checked; the allocation is leaked, initialised, and used by this thread
        // alone.
        (0..len)
            .map(|offset| unsafe { self.start.add(at + offset).read() })
            .collect()
    }

    /// Copies out the image that the region is: its bytes up to the frontier.
    ///
    /// # Panics
    ///
    /// No region stands there.
    pub fn image(&self) -> Vec<u8> {
        let header = self.read(0, HEADER_BYTES as usize);
        let info = RegionInfo::read(&header).expect("a region stands there");
        self.read(0, info.frontier as usize)
    }

    /// Where a part of the region stands, as offsets from its start.
    pub fn place_of(&self, part: &[u8]) -> std::ops::Range<usize> {
        let at = part.as_ptr().addr() - self.start.as_ptr().addr();
        at..at + part.len()
    }

    /// Writes a byte.
    pub fn write(&self, at: usize, value: u8) {
        assert!(at < self.len, "the byte is the region's");
        // SAFETY: just checked; no reference into the region is alive between the operations of its
        // cache.
        unsafe { self.start.add(at).write(value) };
    }
}
