//! The pages of a span that existed beforehand and that the module does not declare. A page that
//! holds a byte other than zero belongs to somebody else.
//!
//! The heap takes its span from two places on: the table from the start, blocks from behind the
//! table. So it notes two places up to which it has looked.

use core::ops::Range;
use core::ptr::null;

use super::MAX_ALIGN;
use super::table::{SHIFT, WORD};
use crate::memory::scan::{STEP, first_used};

/// Offsets are in bytes from the span's start.
pub(super) struct UndeclaredPages {
    base: *const u8,
    /// The undeclared pages.
    range: Range<usize>,
    /// The table is clear up to here...
    table_clear_to: usize,
    table_end: usize,
    /// ...and the blocks up to here.
    blocks_clear_to: usize,
    foreign: Option<usize>,
}

impl UndeclaredPages {
    pub(super) const fn none() -> Self {
        Self {
            base: null(),
            range: 0..0,
            table_clear_to: 0,
            table_end: 0,
            blocks_clear_to: 0,
            foreign: None,
        }
    }

    /// Those in `range`, of the span at `base`. The table takes the span's first `table_end` bytes.
    pub(super) fn new(base: *const u8, table_end: usize, range: Range<usize>) -> Self {
        Self {
            base,
            range,
            table_end,
            // A page has one owner: the table's last one too.
            blocks_clear_to: table_end / MAX_ALIGN * MAX_ALIGN,
            ..Self::none()
        }
    }

    pub(super) const fn foreign(&self) -> Option<usize> {
        self.foreign
    }

    pub(super) fn foreign_address(&self) -> Option<usize> {
        self.foreign.map(|offset| self.base.addr() + offset)
    }

    /// Looks at what the granules up to `to` take, of a span of `end` granules. Answers the granule
    /// up to which all are clear: `clear_to`, as before, where one is not.
    ///
    /// # Safety
    /// The span is readable, and nobody writes in the undeclared part meanwhile.
    pub(super) unsafe fn scan_to(&mut self, clear_to: usize, to: usize, end: usize) -> usize {
        if self.foreign.is_some() {
            return clear_to;
        }
        // SAFETY: both lie in the span: the table has a word for each of its granules.
        let found = unsafe {
            let table = self.scan(self.table_clear_to, to * WORD, self.table_end);
            let blocks = self.scan(self.blocks_clear_to, to << SHIFT, end << SHIFT);
            table.and_then(|table| Ok((table, blocks?)))
        };
        match found {
            Ok((table, blocks)) => {
                (self.table_clear_to, self.blocks_clear_to) = (table, blocks);
                let by_table = match table < self.table_end {
                    true => table / WORD,
                    false => end,
                };
                by_table.min(blocks >> SHIFT)
            }
            Err(at) => {
                self.foreign = Some(at);
                clear_to
            }
        }
    }

    /// Goes on from `from` in steps until `to` is reached. Answers how far all is clear, at most
    /// `end`, or where it is not.
    ///
    /// # Safety
    /// As for [`scan_to`](Self::scan_to); `end` lies in the span.
    #[inline(never)]
    unsafe fn scan(&self, from: usize, to: usize, end: usize) -> Result<usize, usize> {
        let mut at = from;
        while at < to.min(end) {
            if at >= self.range.end {
                return Ok(end);
            }
            if at < self.range.start {
                at = self.range.start.min(end);
                continue;
            }
            let step = STEP - (at - self.range.start) % STEP;
            let next = at.saturating_add(step).min(end);
            let len = next.min(self.range.end) - at;
            // SAFETY: the bytes lie in the span; ends of steps, of the table and of the range are
            // multiples of 8.
            if let Some(offset) = unsafe { first_used(self.base.add(at), len) } {
                return Err(at + offset);
            }
            at = next;
        }
        Ok(at)
    }
}
