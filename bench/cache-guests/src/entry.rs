//! The entries of the made workloads: key and value follow from a number.

/// The longest key.
const KEY_BYTES: usize = 53;

/// The largest value.
const LARGE_BYTES: usize = 4096;

/// Values are slices of this, so that making one costs next to nothing.
static NOISE: [u8; 2 * LARGE_BYTES] = noise();

const fn noise() -> [u8; 2 * LARGE_BYTES] {
    let mut bytes = [0; 2 * LARGE_BYTES];
    let mut at = 0;
    while at < bytes.len() {
        bytes[at] = (mix(at as u64) >> 56) as u8;
        at += 1;
    }
    bytes
}

const fn mix(number: u64) -> u64 {
    let z = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 29)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 32)
}

/// An entry's key.
pub struct Key {
    bytes: [u8; 56],
    len: usize,
}

impl Key {
    /// A path of three letters, the number, and what looks like a transaction's digest: 29, 37, 45
    /// or 53 bytes.
    #[inline(always)]
    pub fn of(number: u32) -> Key {
        let mut state = mix(u64::from(number));
        let mut bytes = [0; 56];
        bytes[..8].copy_from_slice(&(u64::from(number) << 32 | 0x002f_6f2f).to_le_bytes());
        let (words, _) = bytes[8..].as_chunks_mut::<8>();
        for word in words {
            *word = state.to_le_bytes();
            state = state.wrapping_mul(0x94d0_49bb_1331_11eb);
        }
        Key {
            bytes,
            len: KEY_BYTES - 8 * (number as usize & 3),
        }
    }

    /// Its bytes.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The number that a key was made of.
    pub fn number(key: &[u8]) -> u32 {
        key[4..8]
            .iter()
            .rev()
            .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
    }
}

/// An entry's value: 8, 36, 100 or 250 bytes, and one of 200 has 4,096. With its key that makes 137
/// bytes on average.
#[inline(always)]
pub fn value(number: u32) -> &'static [u8] {
    let draw = number.wrapping_mul(0x9e37_79b1);
    let len = match draw >> 16 {
        0..327 => LARGE_BYTES,
        327..18_586 => 8,
        18_586..41_409 => 36,
        41_409..55_103 => 100,
        _ => 250,
    };
    let start = draw as usize & (LARGE_BYTES - 1);
    &NOISE[start..start + len]
}

/// Whether two values have the same length and the same first and last eight bytes.
#[inline(always)]
pub fn resemble(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.first_chunk::<8>() == b.first_chunk()
        && a.last_chunk::<8>() == b.last_chunk()
}
