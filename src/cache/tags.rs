//! Finding tags in a bucket, eight at a time in an ordinary word.

use crate::region::WAYS;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The ways of a bucket whose tag may equal the one looked for, in ascending order. The first is sure; one that follows
/// may be off by one bit, so what it leads to is compared anyway.
pub struct Matches {
    low: u64,
    high: u32,
}

/// The ways that may have this tag; with tag 0, the vacant ones.
#[inline]
pub fn matches(tags: &[u8; WAYS], tag: u8) -> Matches {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *tags;
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ (LOW * u64::from(tag));
    let high = u32::from_le_bytes([i, j, k, l]) ^ (LOW as u32 * u32::from(tag));
    Matches {
        low: low.wrapping_sub(LOW) & !low & HIGH,
        high: high.wrapping_sub(LOW as u32) & !high & HIGH as u32,
    }
}

impl Iterator for Matches {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.low != 0 {
            let way = self.low.trailing_zeros() / 8;
            self.low &= self.low - 1;
            return Some(way as usize);
        }
        if self.high != 0 {
            let way = 8 + self.high.trailing_zeros() / 8;
            self.high &= self.high - 1;
            return Some(way as usize);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn finds_every_equal_tag_and_the_first_is_sure() {
        let mut state = 1u32;
        for _ in 0..20_000 {
            let tags: [u8; 12] = core::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 29) as u8
            });
            for tag in 0..8 {
                let mut equal = (0..12).filter(|&way| tags[way] == tag);
                assert!(
                    equal
                        .clone()
                        .all(|way| matches(&tags, tag).any(|found| found == way))
                );
                assert_eq!(matches(&tags, tag).next(), equal.next());
            }
        }
    }
}
