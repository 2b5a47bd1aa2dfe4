//! In vectors of sixteen bytes.

use core::arch::wasm32::{
    u8x16_bitmask, u8x16_eq, u8x16_splat, v128, v128_any_true, v128_or, v128_xor,
};

/// Slots whose tag equals the one looked for.
#[derive(Clone)]
pub struct Matches(u32);

impl Matches {
    const NONE: Self = Self(0);
}

/// A bit for each of the first twelve bytes.
const SLOTS: u32 = 0xFFF;

/// Those of all slots that have this tag.
#[inline]
pub fn among_first(tags: &[u8; 16], tag: u8) -> Matches {
    let equal = u8x16_eq(vector(tags), u8x16_splat(tag));
    Matches(u32::from(u8x16_bitmask(equal)) & SLOTS)
}

/// None: the others have been among the first.
#[inline]
pub fn among_last(_: &[u8; 16], _: u8) -> Matches {
    Matches::NONE
}

/// Exactly the slots that have this tag.
#[inline]
pub fn exactly(tags: &[u8; 16], tag: u8) -> [Matches; 2] {
    [among_first(tags, tag), Matches::NONE]
}

/// How many slots have this tag.
#[inline]
pub fn count(tags: &[u8; 16], tag: u8) -> u32 {
    among_first(tags, tag).0.count_ones()
}

impl Iterator for Matches {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.0 == 0 {
            return None;
        }
        let slot = self.0.trailing_zeros() as usize;
        self.0 &= self.0 - 1;
        Some(slot)
    }
}

/// Whether two strings are equal, of eight bytes or of whole vectors.
#[inline(always)]
pub fn same<const N: usize>(a: &[u8; N], b: &[u8; N]) -> bool {
    if N < 16 {
        return a == b;
    }
    let vectors = a.chunks_exact(16).zip(b.chunks_exact(16));
    let differences = vectors.map(|(a, b)| v128_xor(vector(a), vector(b)));
    !v128_any_true(differences.fold(u8x16_splat(0), |all, next| v128_or(all, next)))
}

#[inline(always)]
fn vector(bytes: &[u8]) -> v128 {
    bytemuck::pod_read_unaligned(bytes)
}
