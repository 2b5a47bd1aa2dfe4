//! The hash of the index: fixed, the same on every platform, named in the region's header and part of its format.
//!
//! Published hashes that are quick in WebAssembly (`foldhash`, `rustc-hash`, rapidhash's in-memory one) give other values on
//! 64-bit machines and may change with any release; those that are portable cost two to four times as much here, for want
//! of a 128-bit product (`docs/benchmarks.md` has the figures). An index needs neither secrecy nor perfection, since its work is bounded whatever the keys.

use super::words::words;

/// The hash's name as the header has it. Another hash needs another name.
pub const NAME: [u8; 16] = *b"steadfast-words1";

const ROTATION: u32 = 23;
/// Odd, with no pattern in its bits: the golden ratio's.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// Another one, for the last step.
const LAST_FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;

/// The hash of a key: each step is a permutation of what was before it for any word, and of the word for anything before;
/// the rotation takes the top bits, which a product does not spread, to where the next one does.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    let mut state = (key.len() as u64).wrapping_mul(LAST_FACTOR);
    let mut step = |pair: [u64; 2]| {
        for word in pair {
            state = (state.rotate_left(ROTATION) ^ word).wrapping_mul(FACTOR);
        }
    };
    let words = words(key);
    words.full.for_each(&mut step);
    step(words.last);
    state = (state ^ (state >> 32)).wrapping_mul(LAST_FACTOR);
    state ^ (state >> 32)
}
