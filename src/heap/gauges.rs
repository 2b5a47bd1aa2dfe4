//! What a host reads while the heap lives.

/// Words at a fixed place, kept up as slabs and large blocks come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Gauges {
    /// Bytes of whole slabs and large blocks.
    pub held_bytes: usize,
    /// The greatest `held_bytes` so far.
    pub peak_bytes: usize,
}

impl Gauges {
    pub(super) const fn none() -> Self {
        Self {
            held_bytes: 0,
            peak_bytes: 0,
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
