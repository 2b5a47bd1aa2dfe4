//! The pages of a region that existed beforehand and that the module does not declare. A page that
//! holds a byte other than zero belongs to somebody else.
//!
//! The cache takes the index from its start on, and the arena from its own. It checks
//! pages before it takes them, one step ahead. If it finds a byte other than zero, the index or the
//! arena ends there.

use core::ops::Range;
use core::ptr::NonNull;

use super::geometry::{BUCKET_BYTES, Geometry};
use super::header::{HEADER_BYTES, Header, MAGIC};
use super::{REGION_ALIGN, Region};
use crate::memory::scan::{STEP, first_used};

const PAGE: u32 = REGION_ALIGN as u32;

/// Offsets are in bytes from the region's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UndeclaredPages {
    /// Header and index are clear up to here: the region's own...
    pub index_clear_to: u32,
    /// ...and the arena up to here.
    pub arena_clear_to: u32,
    /// From here on nobody else can have written.
    pub end: u32,
    /// Called with the bytes that are left of the region when a foreign page was found.
    pub on_foreign: fn(u32),
}

impl UndeclaredPages {
    /// No page is undeclared: all of the region is its own.
    pub const NONE: Self = Self {
        index_clear_to: u32::MAX,
        arena_clear_to: u32::MAX,
        end: 0,
        on_foreign: |_| {},
    };

    /// Looks at what a new cache takes of a region of this geometry and capacity; nothing where an
    /// empty cache has no place.
    ///
    /// # Safety
    ///
    /// The region stands at `start`, and memory reaches to its capacity and to the end of the
    /// undeclared pages.
    pub unsafe fn checked_for(
        self,
        start: NonNull<u8>,
        geometry: &Geometry,
        capacity: u32,
    ) -> Option<Self> {
        let index_end = HEADER_BYTES + geometry.first_buckets() * BUCKET_BYTES;
        let index = self.index_clear_to;
        // A page has one owner: the index's last one too.
        let arena = self.arena_clear_to.max(geometry.arena_start / PAGE * PAGE);
        // SAFETY: the caller's duty.
        unsafe {
            Some(Self {
                index_clear_to: self.scan(start, index, index_end, geometry.arena_start)?,
                arena_clear_to: self.scan(start, arena, geometry.least_capacity(), capacity)?,
                ..self
            })
        }
    }

    /// Looks at the bytes from `from` up to `to`, and on to the end of a step, at most up to
    /// `most`. Answers how far they are clear, or nothing where they are not.
    ///
    /// # Safety
    ///
    /// As for [`checked_for`](Self::checked_for).
    pub unsafe fn scan(self, start: NonNull<u8>, from: u32, to: u32, most: u32) -> Option<u32> {
        let mut at = from;
        while at < to.min(most) && at < self.end {
            let next = at.saturating_add(STEP as u32) / PAGE * PAGE;
            let next = next.min(most);
            // The undeclared pages end where memory ends, so a whole word is there.
            let len = (next.min(self.end) - at).next_multiple_of(8);
            // SAFETY: the caller's duty; parts and steps begin at multiples of 8.
            unsafe {
                let from = start.add(at as usize).as_ptr().cast_const();
                let until = from.add(len as usize);
                if first_used(from, until) < until {
                    return None;
                }
            }
            at = next;
        }
        Some(if at < self.end { at } else { u32::MAX })
    }
}

impl Region {
    /// Has the cache look at the bytes at these offsets before it takes them: they existed
    /// beforehand without anybody having declared them, and what holds something is somebody
    /// else's. `on_foreign` is called with the bytes that are left of the region then.
    ///
    /// Where an image stands in the region all of it is the region's: a host has put it there.
    ///
    /// # Safety
    ///
    /// The region stands in one memory with all of `undeclared`, which ends at a multiple of 8.
    pub(super) unsafe fn beside(mut self, undeclared: Range<u32>, on_foreign: fn(u32)) -> Region {
        if !undeclared.is_empty() && !self.has_image() {
            self.undeclared = UndeclaredPages {
                index_clear_to: undeclared.start,
                arena_clear_to: undeclared.start,
                end: undeclared.end,
                on_foreign,
            };
        }
        self
    }

    fn has_image(&self) -> bool {
        if self.parts.capacity < HEADER_BYTES {
            return false;
        }
        // SAFETY: the header lies within the span, the start is aligned to a page, and any bytes
        // are a Header.
        let header: &Header = unsafe { self.parts.start.cast().as_ref() };
        header.magic == MAGIC
    }

    /// Whether the first `len` bytes are the region's, as far as a look at them tells.
    pub(super) fn is_clear_to(&mut self, len: u32) -> bool {
        let (parts, undeclared) = (&self.parts, &mut self.undeclared);
        let from = undeclared.index_clear_to;
        if len > from {
            // SAFETY: the capacity is the region's, and `beside` guarantees the rest.
            let clear = unsafe { undeclared.scan(parts.start, from, len, parts.capacity) };
            let Some(clear) = clear else {
                return false;
            };
            (undeclared.index_clear_to, undeclared.arena_clear_to) = (clear, clear);
        }
        true
    }
}

#[cfg(test)]
mod tests;
