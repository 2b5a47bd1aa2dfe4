//! How much of a heap is in use.

use super::map::word;
use super::table::GRANULE;

/// How much of a heap is in use. A host reads it from the memory of a live instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct HeapUsage {
    /// Bytes of whole slabs and large blocks.
    pub held_bytes: usize,
    /// The greatest `held_bytes` so far.
    pub peak_bytes: usize,
    /// Granules of 512 bytes from the span's start to the end of the last slab or large block. The
    /// table has a meaning up to there.
    pub used_granules: usize,
    /// The greatest `used_granules` so far.
    pub highest_granules: usize,
    /// Granules of the largest large block so far.
    pub largest_granules: usize,
}

impl HeapUsage {
    /// Bytes of a granule.
    pub const GRANULE_BYTES: usize = GRANULE;

    /// Reads the usage that `bytes` begin with, of a heap with words of `word_bytes`, 4 or 8: 4 in
    /// a module.
    #[must_use]
    pub fn read(bytes: &[u8], word_bytes: usize) -> Option<Self> {
        let field = |at| word(bytes, at, word_bytes);
        Some(Self {
            held_bytes: field(0)?,
            peak_bytes: field(1)?,
            used_granules: field(2)?,
            highest_granules: field(3)?,
            largest_granules: field(4)?,
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
