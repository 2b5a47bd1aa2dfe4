//! A load of entries as an indexer has them.

/// Entries without end, no key twice: keys of 29 to 53 bytes, values of 8, 36, 100 or 250, and one of 200 with 4 KiB; 137 bytes
/// for key and value on average.
#[derive(Clone, Debug)]
pub struct Mix(u64);

impl Mix {
    /// The load that a seed gives.
    pub fn new(seed: u64) -> Mix {
        Mix(seed << 40)
    }
}

impl Iterator for Mix {
    type Item = (Vec<u8>, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0 += 1;
        let draw = (self.0 ^ (self.0 >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut key = vec![b'/'; 21 + 8 * (draw >> 62) as usize];
        key.extend_from_slice(&self.0.to_le_bytes());
        let len = match (draw >> 32) % 1000 {
            0..5 => 4096,
            5..284 => 8,
            284..632 => 36,
            632..841 => 100,
            _ => 250,
        };
        Some((key, vec![draw as u8; len]))
    }
}
