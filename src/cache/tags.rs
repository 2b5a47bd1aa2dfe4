//! Finding tags in a bucket, eight at a time in an ordinary word.

use crate::region::WAYS;

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The ways of a bucket whose tag may equal the one looked for. The first is sure; one that follows may be off by one
/// bit, so what it leads to is compared anyway.
///
/// Of bits `8 * i + 3` and `8 * i + 7`, the first stands for way `i`, the second for way `8 + i`.
pub struct Matches(u64);

/// The ways that may have this tag; with tag 0, the vacant ones.
#[inline]
pub fn matches(tags: &[u8; WAYS], tag: u8) -> Matches {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *tags;
    let everywhere = LOW * u64::from(tag);
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ everywhere;
    let high = u32::from_le_bytes([i, j, k, l]) ^ everywhere as u32;
    let low = low.wrapping_sub(LOW) & !low & HIGH;
    let high = high.wrapping_sub(LOW as u32) & !high & HIGH as u32;
    Matches((low >> 4) | u64::from(high))
}

impl Iterator for Matches {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some((bit >> 3) + ((bit & 4) << 1))
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
                assert!(equal.all(|way| matches(&tags, tag).any(|found| found == way)));
                let first = matches(&tags, tag).next();
                assert_eq!(first.is_some(), tags.contains(&tag));
                assert!(first.is_none_or(|way| tags[way] == tag));
            }
        }
    }
}
