//! Pages of a region that existed beforehand without the module having declared them. What holds a
//! byte other than zero there is somebody's.
//!
//! The cache takes the index from its start on, and the arena from its own. It looks before it
//! takes, a step ahead; where it finds something, the index or the arena ends.

use core::ops::Range;
use core::ptr::NonNull;

use super::geometry::{BUCKET_BYTES, Geometry};
use super::header::{HEADER_BYTES, Header, MAGIC};
use super::{REGION_ALIGN, Region};
use crate::memory::scan::{STEP, first_used};

const PAGE: u32 = REGION_ALIGN as u32;

/// Offsets are in bytes from the region's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Doubt {
    /// Header and index are clear up to here: the region's own...
    pub index: u32,
    /// ...and the arena up to here.
    pub arena: u32,
    /// From here on nobody else can have written.
    pub end: u32,
    /// Is told what is left of the region's bytes when somebody's were found.
    pub tell: fn(u32),
}

impl Doubt {
    /// All of the region is its own.
    pub const NONE: Self = Self {
        index: u32::MAX,
        arena: u32::MAX,
        end: 0,
        tell: |_| {},
    };

    /// The doubt about a region of this geometry and capacity; nothing where an empty cache has no
    /// place.
    ///
    /// # Safety
    ///
    /// The region stands at `start`, and memory reaches to its capacity and to the end of what is
    /// in doubt.
    pub unsafe fn over(
        self,
        start: NonNull<u8>,
        geometry: &Geometry,
        capacity: u32,
    ) -> Option<Self> {
        let index_end = HEADER_BYTES + geometry.first_buckets() * BUCKET_BYTES;
        // A page has one owner: the index's last one too.
        let arena = self.arena.max(geometry.arena_start / PAGE * PAGE);
        // SAFETY: the caller's duty.
        unsafe {
            Some(Self {
                index: self.clear(start, self.index, index_end, geometry.arena_start)?,
                arena: self.clear(start, arena, geometry.least_capacity(), capacity)?,
                ..self
            })
        }
    }

    /// Looks at the bytes from `from` up to `to`, and on to the end of a step, at most up to
    /// `most`. Answers how far they are clear, or nothing where they are not.
    ///
    /// # Safety
    ///
    /// As for [`over`](Self::over).
    pub unsafe fn clear(self, start: NonNull<u8>, from: u32, to: u32, most: u32) -> Option<u32> {
        let mut at = from;
        while at < to.min(most) && at < self.end {
            let next = at.saturating_add(STEP as u32) / PAGE * PAGE;
            let next = next.min(most);
            // The end of what is in doubt is one of memory, so that a whole word is there.
            let len = (next.min(self.end) - at).next_multiple_of(8);
            // SAFETY: the caller's duty; parts and steps begin at multiples of 8.
            let used = unsafe { first_used(start.add(at as usize).as_ptr(), len as usize) };
            if used.is_some() {
                return None;
            }
            at = next;
        }
        Some(if at < self.end { at } else { u32::MAX })
    }
}

impl Region {
    /// Has the cache look at the bytes at these offsets before it takes them: they existed
    /// beforehand without anybody having declared them, and what holds something is somebody
    /// else's. `tell` is told what is left of the region then.
    ///
    /// Where an image stands in the region all of it is the region's: a host has put it there.
    ///
    /// # Safety
    ///
    /// The region stands in one memory with all of `undeclared`, which ends at a multiple of 8.
    pub(super) unsafe fn beside(mut self, undeclared: Range<u32>, tell: fn(u32)) -> Region {
        if !undeclared.is_empty() && !self.has_image() {
            self.doubt = Doubt {
                index: undeclared.start,
                arena: undeclared.start,
                end: undeclared.end,
                tell,
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
        if len > self.doubt.index {
            let parts = &self.parts;
            // SAFETY: the capacity is the region's, and `beside` guarantees the rest.
            let clear = unsafe {
                self.doubt
                    .clear(parts.start, self.doubt.index, len, parts.capacity)
            };
            let Some(clear) = clear else {
                return false;
            };
            (self.doubt.index, self.doubt.arena) = (clear, clear);
        }
        true
    }
}

#[cfg(test)]
mod tests;
