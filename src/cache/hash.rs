//! The hash of the index: fixed, the same on every platform, named in the region's header and part of its format.
//!
//! Published hashes that are quick in WebAssembly (`foldhash`, `rustc-hash`, rapidhash's in-memory one) give other values on
//! 64-bit machines and may change with any release; those that are portable cost two to four times as much here, for want
//! of a 128-bit product (`docs/architecture.md` has the figures). An index needs neither secrecy nor perfection, since its work is bounded whatever the keys.

use super::words::words;

/// The hash's name as the header has it. Another hash needs another name.
pub const NAME: [u8; 16] = *b"steadfast-words1";

const ROTATION: u32 = 23;
/// Odd, with no pattern in its bits: the golden ratio's.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;
/// Another one, for the last step.
const LAST_FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;

/// The hash of a key. Words go into two lanes in turn, so that one product need not wait for the other. Each step is a
/// permutation of what was in the lane for any word, and of the word for anything in the lane; the rotation takes the top
/// bits, which a product does not spread, to where the next one does.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    let mut lanes = [0, (key.len() as u64).wrapping_mul(LAST_FACTOR)];
    let mut step = |pair: [u64; 2]| {
        for (lane, word) in lanes.iter_mut().zip(pair) {
            *lane = mix(*lane, word);
        }
    };
    let words = words(key);
    words.full.for_each(&mut step);
    step(words.last);
    let state = mix(lanes[0], lanes[1]);
    let state = (state ^ (state >> 32)).wrapping_mul(LAST_FACTOR);
    let state = (state ^ (state >> 29)).wrapping_mul(FACTOR);
    state ^ (state >> 32)
}

#[inline]
fn mix(state: u64, word: u64) -> u64 {
    (state.rotate_left(ROTATION) ^ word).wrapping_mul(FACTOR)
}

#[cfg(test)]
mod tests {
    use super::hash;
    use alloc::vec::Vec;

    /// A form of keys, by number.
    type Form = fn(u32) -> Vec<u8>;

    /// Keys as indexers have them: a path, and counters in either byte order that end at any place of a word.
    const FORMS: [Form; 6] = [
        |n| n.to_le_bytes().to_vec(),
        |n| [b"/outpoint/by-txid/", &n.to_le_bytes()[..], &[0; 30]].concat(),
        |n| [b"/block/height/to/hash/", &n.to_be_bytes()[..]].concat(),
        |n| [&[0; 7][..], &[n as u8], &[0; 7], &[(n >> 8) as u8], &[0; 9]].concat(),
        |n| {
            [
                b"/a/",
                &(n & 0xFF).to_be_bytes()[..],
                b"/b/",
                &(n >> 8).to_be_bytes(),
            ]
            .concat()
        },
        |n| alloc::vec![n as u8; (n >> 8) as usize + 1],
    ];

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn spreads_keys_that_differ_in_few_bytes() {
        const KEYS: u32 = 1 << 15;
        for (form, key) in FORMS.iter().enumerate() {
            let hashes: Vec<u64> = (0..KEYS).map(|number| hash(&key(number))).collect();
            // What tells keys apart: the whole, and each half of it.
            for (shift, bits) in [(0, 64), (0, 32), (32, 32), (16, 32)] {
                let mut parts: Vec<u64> = hashes
                    .iter()
                    .map(|hash| (hash >> shift) & (u64::MAX >> (64 - bits)))
                    .collect();
                parts.sort_unstable();
                parts.dedup();
                let collisions = KEYS as usize - parts.len();
                // Of 2^15 keys in 2^32 places, an eighth of a pair is expected to collide.
                assert!(collisions <= 3, "form {form}, bits {shift}: {collisions}");
            }
            // What chooses places, groups and tags: each byte takes every value about equally often.
            for byte in 0..8 {
                let mut counts = [0i64; 256];
                for hash in &hashes {
                    counts[usize::from(hash.to_le_bytes()[byte])] += 1;
                }
                let expected = i64::from(KEYS) / 256;
                let chi: i64 = counts.iter().map(|count| (count - expected).pow(2)).sum();
                // Chi squared with 255 degrees of freedom: 255, with a deviation of 23; counters may spread more evenly.
                let chi = chi / expected;
                assert!(chi <= 400, "form {form}, byte {byte}: {chi}");
            }
        }
    }
}
