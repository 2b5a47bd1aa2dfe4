//! The region: one span of memory at a fixed address, in which everything is addressed by `u32`
//! offsets from its start.
//!
//! This module and its children are the only place where an offset becomes a reference. Every
//! accessor is total: whatever the region's bytes say, nothing outside of the span is touched and
//! nothing panics.

mod block;
mod geometry;
mod header;
mod image;
mod info;
mod reader;
mod reserved;
mod stats;
mod undeclared_pages;
mod view;

use core::ptr::NonNull;

use undeclared_pages::UndeclaredPages;

use crate::memory::platform::Lease;

pub(crate) use block::{Bucket, EntryHeader, FreeHeader, Occupant, Standing};
pub(crate) use header::{BINS, LINEAR_BIN_BYTES};
pub(crate) use view::RegionView;

pub(crate) use geometry::{BLOCK_ALIGN, LEAST_FREE_BYTES};
pub use geometry::{
    BUCKET_BYTES, ENTRY_HEADER_BYTES, Geometry, MAX_KEY_BYTES, MAX_VALUE_BYTES, SLACK_BYTES, SLOTS,
    block_bytes,
};
pub use header::{FORMAT_VERSION, HEADER_BYTES, Header, PoolHeader, USER_TAG_BYTES};
pub use image::{AttachError, Start, Status, seal, set_user_tag};
pub use info::{FormatError, RegionInfo};
pub use reader::{BlockInfo, EntryInfo, RegionReader, clear};
pub use reserved::RegionTakenError;
pub use stats::{Figure, Kind, PoolInfo, Stats};

// Offsets, lengths and counters are stored as the machine has them; the format is little-endian.
const _: () = assert!(
    u16::from_ne_bytes([1, 0]) == 1,
    "the region's format is little-endian"
);

/// The alignment, in bytes, that a region's start must have: one wasm page.
pub const REGION_ALIGN: usize = 64 * 1024;

/// How a region may become larger after its first use.
#[derive(Clone, Copy, Debug)]
pub enum Growth {
    /// It stays as it is.
    Fixed,
    /// It is extended when the cache is short of space, before anything is evicted.
    OnDemand {
        /// The least number of bytes asked for at once.
        step: u32,
        /// The capacity, in bytes, beyond which nothing is asked for. The index is sized for it.
        limit: u32,
        /// Asked for a number of bytes; returns how many it appended to the span, contiguous, zero
        /// and exclusively the region's. 0 is a refusal, after which it is not asked
        /// again.
        extend: fn(u32) -> u32,
    },
}

impl Growth {
    /// Asks for at least `wanted` bytes beyond the capacity, once, if there may be more. Returns
    /// what it got.
    fn extend(&mut self, capacity: u32, wanted: u32) -> u32 {
        let Growth::OnDemand {
            step,
            limit,
            extend,
        } = *self
        else {
            return 0;
        };
        let room = limit.saturating_sub(capacity);
        if room == 0 {
            return 0;
        }
        let got = extend(wanted.max(step).min(room)).min(room);
        if got == 0 {
            *self = Growth::Fixed;
        }
        got
    }

    /// The same, but up to a capacity at the most.
    fn up_to(self, most: u32) -> Growth {
        match self {
            Growth::Fixed => Growth::Fixed,
            Growth::OnDemand {
                step,
                limit,
                extend,
            } => Growth::OnDemand {
                step,
                limit: limit.min(most),
                extend,
            },
        }
    }
}

/// What a region is made of.
#[derive(Clone, Copy, Debug)]
pub struct RegionParts {
    /// The first byte, aligned to [`REGION_ALIGN`].
    pub start: NonNull<u8>,
    /// Bytes that can be used now; need not be whole pages.
    pub capacity: u32,
    /// Bytes from this offset on are zero and untouched; bytes below it may hold anything.
    pub fresh_from: u32,
    /// The plan's expected entry, key and value together, in bytes. The index is sized by it.
    pub expected_entry: u32,
    /// Identifies the plan that the region belongs to; kept in the header.
    pub plan_fingerprint: u64,
    /// What the host calls the module, so that an image of another one is refused; 0 if it does
    /// not say.
    pub module_tag: u64,
    /// Not 0: the cache loses entries by chance, as this says. For hosts that try a program.
    pub forget_seed: u32,
    /// Whether the span may be extended.
    pub growth: Growth,
}

/// Exclusive ownership of a span of memory that holds one cache.
#[derive(Debug)]
pub struct Region {
    parts: RegionParts,
    /// A host had an image to load, for which there was no room.
    is_too_small: bool,
    /// A host was asked for an image and left none: whatever stands here is not believed.
    is_declined: bool,
    /// Keeps the span.
    lease: Lease,
    undeclared: UndeclaredPages,
}

impl Region {
    /// The expected entry, in bytes, of a plan that does not say otherwise.
    pub const DEFAULT_EXPECTED_ENTRY: u32 = 137;

    /// No memory at all: a cache over it always misses.
    #[must_use]
    pub const fn none() -> Region {
        Region {
            parts: RegionParts {
                start: NonNull::dangling(),
                capacity: 0,
                fresh_from: 0,
                expected_entry: Region::DEFAULT_EXPECTED_ENTRY,
                plan_fingerprint: 0,
                module_tag: 0,
                forget_seed: 0,
                growth: Growth::Fixed,
            },
            is_too_small: false,
            is_declined: false,
            lease: Lease::none(),
            undeclared: UndeclaredPages::NONE,
        }
    }

    /// Takes over a span of memory. Touches none of it.
    ///
    /// # Safety
    ///
    /// As long as the region lives, the `parts.capacity` bytes from `parts.start`, and those that
    /// `extend` appends to them, are valid, initialised and exclusively the region's.
    /// `parts.start` is aligned to [`REGION_ALIGN`]. Bytes at and above `parts.fresh_from`, and
    /// those appended, are zero. The span does not reach the end of the address space.
    #[must_use]
    pub unsafe fn from_raw(parts: RegionParts) -> Region {
        // SAFETY: the caller keeps the same contract.
        unsafe { Region::leased(parts, Lease::none()) }
    }

    /// As [`from_raw`](Self::from_raw), of a span that the lease keeps. It is extended only where
    /// the lease [is](Lease::is_here).
    ///
    /// # Safety
    ///
    /// As there.
    unsafe fn leased(parts: RegionParts, lease: Lease) -> Region {
        debug_assert!(
            parts.start.addr().get() % REGION_ALIGN == 0,
            "a region starts at a page boundary"
        );
        Region {
            parts,
            is_too_small: false,
            is_declined: false,
            lease,
            undeclared: UndeclaredPages::NONE,
        }
    }

    /// The bytes that can be used now.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.parts.capacity
    }

    /// What the entries are lost by; 0 where none are.
    pub(crate) fn forget_seed(&self) -> u32 {
        self.parts.forget_seed
    }

    /// Lets a host write an image where the region begins, for [`Cache::open`](crate::Cache::open)
    /// to attach to.
    ///
    /// `load` gets the bytes that there are, at most 2 GiB of them, and tells how many the image
    /// has: 0 where there is none. Where they are too few it writes nothing, and is asked once
    /// more if the region could be extended, or was found to be empty that far. Costs what
    /// `load` costs.
    ///
    /// What it writes is believed as little as anything else that stands in a region, and not at
    /// all where it answers 0, a length that does not fit, or unwinds: the cache starts cold
    /// then.
    ///
    /// ```
    /// use steadfast::{Cache, region::{AttachError, Region, Start}};
    ///
    /// let mut region = Region::none();
    /// region.load(|memory| {
    ///     assert!(memory.is_empty());
    ///     4096
    /// });
    /// assert_eq!(Cache::open(region).start(), Start::Cold(AttachError::Disabled));
    /// ```
    pub fn load(&mut self, mut load: impl FnMut(&mut [u8]) -> u32) {
        let fresh_from = self.parts.fresh_from;
        let mut load_once = |region: &mut Region| {
            // It may write and then decline, or unwind: what it could reach counts as written, and
            // as no image.
            region.is_declined = true;
            let reached = region.bytes_mut().len() as u32;
            region.parts.fresh_from = region.parts.fresh_from.max(reached);
            load(region.bytes_mut())
        };
        let mut len = load_once(self);
        if len as usize > self.bytes_mut().len() {
            self.reach(len, len);
            self.is_too_small = self.parts.capacity < len || !self.is_clear_to(len);
            len = match self.is_too_small {
                true => 0,
                false => load_once(self),
            };
        }
        if len > 0 && len as usize <= self.bytes_mut().len() {
            self.is_declined = false;
            self.parts.fresh_from = fresh_from.max(len);
        }
    }

    /// The span as far as it is the region's for sure, or as much of it as a slice may have on a
    /// 32-bit machine.
    fn bytes_mut(&mut self) -> &mut [u8] {
        let len = self.parts.capacity.min(self.undeclared.index_clear_to);
        let len = len.min(i32::MAX as u32) as usize;
        // SAFETY: `from_raw` requires that the bytes are valid, initialised and exclusively the
        // region's; where there are none, the pointer dangles, and is aligned.
        unsafe { core::slice::from_raw_parts_mut(self.parts.start.as_ptr(), len) }
    }

    /// Lays a cold header over the span, extending it first if it cannot even hold its index. `Err`
    /// gives the region back when it cannot hold header, two buckets and one entry. Writes the
    /// header alone. `hash` names the hash of the index.
    pub(crate) fn format(mut self, hash: [u8; 16]) -> Result<RegionView, Region> {
        let Some(geometry) = self.fit() else {
            return Err(self);
        };
        // SAFETY: the capacity is the region's, and `beside` guarantees the rest.
        let undeclared = unsafe {
            self.undeclared
                .checked_for(self.parts.start, &geometry, self.parts.capacity)
        };
        let Some(undeclared) = undeclared else {
            (self.undeclared.on_foreign)(0);
            return Err(Region {
                parts: RegionParts {
                    capacity: 0,
                    ..self.parts
                },
                ..self
            });
        };
        // SAFETY: `fit` has checked that the geometry ends within the capacity, and `from_raw`
        // guarantees the rest.
        Ok(unsafe { RegionView::cold(self.parts, undeclared, self.lease, geometry, hash) })
    }

    /// The geometry for the limit, or, where the span cannot be extended far enough, for what there
    /// is.
    fn fit(&mut self) -> Option<Geometry> {
        let expected = self.parts.expected_entry;
        if let Growth::OnDemand { limit, .. } = self.parts.growth {
            let limit = limit.max(self.parts.capacity);
            let geometry = Geometry::new(limit, expected)?;
            self.reach(geometry.least_capacity(), limit);
            if self.parts.capacity >= geometry.least_capacity() {
                return Some(geometry);
            }
            self.parts.growth = Growth::Fixed;
        }
        Geometry::new(self.parts.capacity, expected)
    }

    /// Extends the span to so many bytes, if it is shorter and may be, with one request of at most
    /// up to `limit`.
    fn reach(&mut self, bytes: u32, limit: u32) {
        let parts = &mut self.parts;
        let short = bytes.saturating_sub(parts.capacity);
        if short > 0 && self.lease.is_here() {
            let mut growth = parts.growth.up_to(limit);
            parts.capacity += growth.extend(parts.capacity, short);
        }
    }
}
