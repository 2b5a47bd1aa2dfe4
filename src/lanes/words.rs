//! In ordinary words, eight bytes at a time.

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Slots whose tag may equal the one looked for. The first is sure; one that follows may be off by
/// one bit, so what it leads to is compared anyway.
#[derive(Clone)]
pub struct Matches {
    /// The highest bit of each slot's byte.
    left: u64,
    /// The slot that the lowest byte stands for.
    first: usize,
}

/// Where the tags of the first eight slots differ from this one.
#[inline(always)]
fn first_differences(tags: &[u8; 16], tag: u8) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *tags;
    u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ (LOW * u64::from(tag))
}

/// The same of the last four slots.
#[inline(always)]
fn last_differences(tags: &[u8; 16], tag: u8) -> u32 {
    let [.., i, j, k, l, _, _, _, _] = *tags;
    u32::from_le_bytes([i, j, k, l]) ^ (LOW as u32 * u32::from(tag))
}

/// Those of the first eight slots that may have this tag.
#[inline]
pub fn among_first(tags: &[u8; 16], tag: u8) -> Matches {
    let differs = first_differences(tags, tag);
    Matches {
        left: differs.wrapping_sub(LOW) & !differs & HIGH,
        first: 0,
    }
}

/// The same among the last four slots.
#[inline]
pub fn among_last(tags: &[u8; 16], tag: u8) -> Matches {
    let differs = last_differences(tags, tag);
    Matches {
        left: u64::from(differs.wrapping_sub(LOW as u32) & !differs & HIGH as u32),
        first: 8,
    }
}

/// Exactly the slots that have this tag; two steps dearer for each half.
#[inline]
pub fn exactly(tags: &[u8; 16], tag: u8) -> [Matches; 2] {
    let half = |differs: u64, first| Matches {
        // A byte's highest bit: whether one of the others is set, without a carry to the next byte.
        left: !(((differs & !HIGH) + !HIGH) | differs) & HIGH,
        first,
    };
    // What stands beyond the last slots differs from every tag.
    let last = u64::from(last_differences(tags, tag)) | !0 << 32;
    [half(first_differences(tags, tag), 0), half(last, 8)]
}

/// How many slots have this tag.
#[inline]
pub fn count(tags: &[u8; 16], tag: u8) -> u32 {
    let [first, last] = exactly(tags, tag);
    first.left.count_ones() + last.left.count_ones()
}

impl Iterator for Matches {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.left == 0 {
            return None;
        }
        let slot = self.first + (self.left.trailing_zeros() >> 3) as usize;
        self.left &= self.left - 1;
        Some(slot)
    }
}

/// Whether two strings of whole words are equal.
#[inline(always)]
pub fn same<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    let mut words = a.chunks_exact(8).zip(b.chunks_exact(8));
    words.all(|(a, b)| word(a) == word(b))
}

#[inline(always)]
fn word(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}
