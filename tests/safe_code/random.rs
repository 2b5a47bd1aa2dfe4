//! Numbers and bytes from a seed, with a liking for the edges.

/// splitmix64.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, one_in: u64) -> bool {
        self.below(one_in) == 0
    }

    /// One of the things.
    pub fn pick<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len() as u64) as usize]
    }

    /// A number of any magnitude, often next to a power of two.
    pub fn number(&mut self) -> u64 {
        let magnitude = self.below(64);
        match self.below(4) {
            0 => self.next() >> magnitude,
            1 => (1 << magnitude) - 1,
            2 => 1 << magnitude,
            _ => u64::MAX - (self.next() >> magnitude),
        }
    }

    pub fn u32(&mut self) -> u32 {
        match self.below(3) {
            0 => u32::MAX - self.below(3) as u32,
            _ => self.number() as u32,
        }
    }

    pub fn size(&mut self) -> usize {
        self.number() as usize
    }

    /// As many bytes as drawn, at most `most`.
    pub fn bytes(&mut self, most: u64) -> Vec<u8> {
        let len = self.below(most + 1);
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// One of few keys, so that keys come again; seldom one of unusual length.
    pub fn key(&mut self) -> Vec<u8> {
        match self.below(20) {
            0 => self.bytes(2_000),
            1 => vec![7; if cfg!(miri) { 2_000 } else { 66_000 }],
            2 => Vec::new(),
            _ => format!("key {}", self.below(12)).into_bytes(),
        }
    }

    pub fn value(&mut self) -> Vec<u8> {
        if self.chance(30) {
            return vec![1; 1 << self.below(if cfg!(miri) { 12 } else { 20 })];
        }
        self.bytes(200)
    }

    /// Changes a few words, many of them to a number that is like others in the bytes.
    pub fn damage(&mut self, bytes: &mut [u8]) {
        for _ in 0..self.below(8) {
            if bytes.len() < 8 {
                return;
            }
            let within = match self.below(3) {
                0 => bytes.len() as u64,
                _ => (bytes.len() as u64).min(700),
            };
            let at = self.below(within.saturating_sub(4).max(1)) as usize / 4 * 4;
            let word = match self.below(3) {
                0 => self.u32(),
                _ => self.below(bytes.len() as u64 + 64) as u32,
            };
            bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
    }
}
