//! The pages of a span that existed beforehand and that the module does not declare. A page that
//! holds a byte other than zero belongs to somebody else.

use core::num::NonZero;

use super::table::{GRANULE, SHIFT};
use crate::memory::scan::{STEP, first_used};

/// How far the heap has looked. Places are in granules from the span's start.
pub(super) struct UndeclaredPages {
    /// Up to here the span may be taken without a look at what it holds.
    pub(super) clear_to: usize,
    /// Nobody else can have written from here on.
    end: usize,
    /// The address of a word that is somebody else's.
    foreign: Option<NonZero<usize>>,
}

impl UndeclaredPages {
    pub(super) const fn none() -> Self {
        Self {
            clear_to: 0,
            end: 0,
            foreign: None,
        }
    }

    /// Those from granule `start` to granule `end`, if they are any.
    pub(super) const fn set(&mut self, start: usize, end: usize) {
        self.clear_to = start;
        self.end = end;
    }

    pub(super) fn foreign(&self) -> Option<usize> {
        self.foreign.map(NonZero::get)
    }

    /// Looks at what a span of `all` granules at `base` holds up to granule `to` of it, and on to
    /// the end of a step.
    ///
    /// # Safety
    /// The span is readable, and nobody writes in the undeclared part meanwhile.
    pub(super) unsafe fn look(&mut self, base: *const u8, to: usize, all: usize) {
        if self.foreign.is_some() {
            return;
        }
        let to = to.next_multiple_of(STEP / GRANULE).min(self.end);
        let until = base.wrapping_add(to << SHIFT);
        // SAFETY: the bytes lie in the span, and granules begin at multiples of 8.
        let used = unsafe { first_used(base.wrapping_add(self.clear_to << SHIFT), until) };
        if used < until {
            self.foreign = NonZero::new(used.addr());
        } else if to == self.end {
            self.clear_to = all;
        } else {
            self.clear_to = to;
        }
    }
}
