//! What a host reads while the heap lives.

use super::map::word;
use super::table::GRANULE;

/// Words at a fixed place, kept up as slabs and large blocks come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Gauges {
    /// Bytes of whole slabs and large blocks.
    pub held_bytes: usize,
    /// The greatest `held_bytes` so far.
    pub peak_bytes: usize,
    /// Granules of 512 bytes from the span's start to the end of the last slab or large block: so
    /// far reaches the table's meaning.
    pub used_granules: usize,
    /// The greatest `used_granules` so far.
    pub highest_granules: usize,
    /// Granules of the largest large block so far.
    pub largest_granules: usize,
}

impl Gauges {
    /// Bytes of a granule.
    pub const GRANULE_BYTES: usize = GRANULE;

    /// Reads the gauges that `bytes` begin with, of a heap with words of `word_bytes`, 4 or 8: 4 in
    /// a module.
    #[must_use]
    pub fn read(bytes: &[u8], word_bytes: usize) -> Option<Self> {
        let gauge = |at| word(bytes, at, word_bytes);
        Some(Self {
            held_bytes: gauge(0)?,
            peak_bytes: gauge(1)?,
            used_granules: gauge(2)?,
            highest_granules: gauge(3)?,
            largest_granules: gauge(4)?,
        })
    }

    pub(super) const fn none() -> Self {
        Self {
            held_bytes: 0,
            peak_bytes: 0,
            used_granules: 0,
            highest_granules: 0,
            largest_granules: 0,
        }
    }

    #[inline]
    pub(super) fn hold(&mut self, bytes: usize) {
        self.held_bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.held_bytes);
    }

    #[inline]
    pub(super) fn release(&mut self, bytes: usize) {
        self.held_bytes -= bytes;
    }
}
