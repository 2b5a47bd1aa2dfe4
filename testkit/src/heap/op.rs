//! What is done to a heap, and how it is read from bytes.

/// One operation. Slots count the live blocks, and are taken modulo their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Ask for a block.
    Alloc {
        /// Bytes.
        size: usize,
        /// Power of two, possibly more than a heap serves.
        align: usize,
        /// Ask for zeroed memory.
        zeroed: bool,
    },
    /// Give a block back.
    Dealloc {
        /// Which.
        slot: usize,
    },
    /// Resize a block.
    Realloc {
        /// Which.
        slot: usize,
        /// New size in bytes.
        size: usize,
    },
    /// Give blocks back, from `slot` on in steps that a prime sets, until `keep` are left.
    Drain {
        /// The first.
        slot: usize,
        /// How many stay.
        keep: usize,
    },
}

/// Decodes operations from bytes; ends when they do. Any bytes are operations.
pub struct Ops<I> {
    bytes: I,
    max_size: usize,
}

impl<I: Iterator<Item = u8>> Ops<I> {
    /// Operations with sizes up to `max_size`, but for a few that no heap can serve.
    pub fn new(bytes: I, max_size: usize) -> Self {
        Self { bytes, max_size }
    }

    fn number(&mut self, bytes: u32) -> Option<usize> {
        (0..bytes).try_fold(0, |number, _| {
            Some(number << 8 | usize::from(self.bytes.next()?))
        })
    }

    fn size(&mut self) -> Option<usize> {
        let kind = self.number(1)?;
        let size = match kind & 15 {
            0..=5 => self.number(1)? % 65,
            6..=8 => self.number(2)? % 513,
            9..=11 => self.number(2)? % 4097,
            12 => self.number(3)? % (64 * 1024 + 1),
            13 => self.number(3)? % (1024 * 1024 + 1),
            // About a power of two, or about a multiple of 1024.
            14 => {
                (1_usize << (kind >> 4)) * if kind & 16 == 0 { 1 } else { 16 } + self.number(1)? % 3
            }
            _ if kind < 240 => (self.number(1)? * 1024 + self.number(1)? % 3).saturating_sub(1),
            _ => return Some(isize::MAX as usize - self.number(2)?),
        };
        Some(size.min(self.max_size))
    }

    fn align(&mut self) -> Option<usize> {
        let kind = self.number(1)?;
        Some(match kind {
            0..=223 => 1 << (kind % 4),
            224..=254 => 1 << (kind % 17),
            _ => 1 << 17,
        })
    }
}

impl<I: Iterator<Item = u8>> Iterator for Ops<I> {
    type Item = Op;

    fn next(&mut self) -> Option<Op> {
        let kind = self.number(1)?;
        Some(match kind % 8 {
            0..=3 => Op::Alloc {
                size: self.size()?,
                align: self.align()?,
                zeroed: kind % 8 == 3,
            },
            4..=5 => Op::Dealloc {
                slot: self.number(2)?,
            },
            6 if kind < 8 => Op::Drain {
                slot: self.number(2)?,
                keep: self.number(1)? / 2,
            },
            6 => Op::Dealloc {
                slot: self.number(2)?,
            },
            _ => Op::Realloc {
                slot: self.number(2)?,
                size: self.size()?,
            },
        })
    }
}

/// An endless stream of bytes, the same for the same seed (SplitMix64).
pub fn seeded(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    core::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    })
    .flatten()
}
