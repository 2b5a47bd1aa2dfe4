//! The hash of the index: fixed, the same on every platform, named in the region's header and part of its format.
//!
//! Published hashes that are quick in WebAssembly (`foldhash`, `rustc-hash`, rapidhash's in-memory one) give other values on
//! 64-bit machines and may change with any release; those that are portable cost two to four times as much here, for want
//! of a 128-bit product (`docs/benchmarks.md` has the figures). An index needs neither secrecy nor perfection, since its work is bounded whatever the keys.

use super::words::Words;

/// The hash's name as the header has it. Another hash needs another name.
pub const NAME: [u8; 16] = *b"steadfast-words1";

/// Odd, with no pattern in its bits: the golden ratio's.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// Another one, for the last step.
const LAST_FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;

/// The hash of a key: each step takes in a word, and is a permutation of what was before for any word, and of the word
/// for anything before. All bits of the result are good.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    let mut state = (key.len() as u64).wrapping_mul(LAST_FACTOR);
    let mut step = |word: u64| {
        state = (state ^ word).wrapping_mul(FACTOR);
        state ^= state >> 32;
    };
    let words = Words::of(key);
    words.full.for_each(&mut step);
    step(words.last);
    state = state.wrapping_mul(LAST_FACTOR);
    state ^ (state >> 32)
}
