//! The hash of the index: XXH64 with seed 0, named in the region's header and part of its format.
//!
//! It has a published specification and gives the same values on every platform, so that hosts can check an image.
//! What it costs beside others is in `docs/decisions/hash.md`. An index needs no secrecy of it, since its work is bounded
//! whatever the keys.

/// The hash's name as the header has it. Another hash needs another name.
pub const NAME: [u8; 16] = *b"xxh64\0\0\0\0\0\0\0\0\0\0\0";

/// The hash of a key.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(key, 0)
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
