//! Numbers for the unit tests of the parts.

/// A xorshift generator. Its seed is not 0.
pub struct Numbers(pub u32);

impl Numbers {
    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 as usize % bound
    }
}
