//! The hash of the index. It is part of the region's format; `docs/formats.md` specifies it.
//!
//! A piece of a key is a sum of 32-bit words, each multiplied by a 64-bit factor of its own. So
//! every bit of a word reaches at least 33 bits of the sum, and keys that differ in one word never
//! have the same sum. A mixer then spreads the sum over all 64 bits. There is no seed, and keys
//! with one hash are easy to make: whoever uses it bounds the work for them, as the index does.
//! What other hashes cost is in `docs/decisions/hash.md`.

use super::bytes::ends;

/// The hash's name as the header has it. Another hash needs another name.
pub const NAME: [u8; 16] = *b"multilinear\0\0\0\0\0";

/// A key is hashed in pieces of up to this many bytes.
const PIECE_BYTES: usize = 64;

/// The fractional parts of the cube roots of the first sixteen primes, as SHA-512 has them, made
/// odd.
const FACTORS: [u64; 16] = [
    0x428a_2f98_d728_ae23,
    0x7137_4491_23ef_65cd,
    0xb5c0_fbcf_ec4d_3b2f,
    0xe9b5_dba5_8189_dbbd,
    0x3956_c25b_f348_b539,
    0x59f1_11f1_b605_d019,
    0x923f_82a4_af19_4f9b,
    0xab1c_5ed5_da6d_8119,
    0xd807_aa98_a303_0243,
    0x1283_5b01_4570_6fbf,
    0x2431_85be_4ee4_b28d,
    0x550c_7dc3_d5ff_b4e3,
    0x72be_5d74_f27b_896f,
    0x80de_b1fe_3b16_96b1,
    0x9bdc_06a7_25c7_1235,
    0xc19b_f174_cf69_2695,
];

/// The hash of a key. One of 16 to 63 bytes takes neither loop nor call.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    let len = key.len() as u64;
    if key.len() >= PIECE_BYTES {
        return hash_long(key, len);
    }
    mix(len.wrapping_add(sum(key)))
}

#[inline(never)]
fn hash_long(key: &[u8], len: u64) -> u64 {
    let mut hash = len;
    let pieces = key[..key.len() - 1].chunks_exact(PIECE_BYTES);
    for piece in pieces
        .map(<[u8]>::first_chunk)
        .chain([key.last_chunk()])
        .flatten()
    {
        let piece: &[u8; PIECE_BYTES] = piece;
        hash = mix(hash.wrapping_add(sum_words(piece, &FACTORS)));
    }
    hash
}

/// The sum of a piece that is not whole: over its first bytes and its last, which may overlap.
#[inline(always)]
fn sum(piece: &[u8]) -> u64 {
    if let Some(ends) = ends::<32>(piece) {
        return sum_ends(ends);
    }
    match ends::<16>(piece) {
        Some(ends) => sum_ends(ends),
        None => sum_short(piece),
    }
}

#[inline(never)]
fn sum_short(piece: &[u8]) -> u64 {
    if let Some(ends) = ends::<8>(piece) {
        return sum_ends(ends);
    }
    if let Some(ends) = ends::<4>(piece) {
        return sum_ends(ends);
    }
    let mut word = [0; 4];
    word[..piece.len()].copy_from_slice(piece);
    sum_words(&word, &FACTORS)
}

#[inline(always)]
fn sum_ends<const N: usize>([last, first]: [&[u8; N]; 2]) -> u64 {
    let (of_first, of_last) = FACTORS.split_at(N / 4);
    sum_words(first, of_first).wrapping_add(sum_words(last, of_last))
}

#[inline(always)]
fn sum_words<const N: usize>(bytes: &[u8; N], factors: &[u64]) -> u64 {
    let words = bytes.chunks_exact(4).map(|word| {
        let word = word.first_chunk().copied().unwrap_or_default();
        u64::from(u32::from_le_bytes(word))
    });
    let products = words
        .zip(factors)
        .map(|(word, factor)| word.wrapping_mul(*factor));
    products.fold(0, u64::wrapping_add)
}

/// Spreads every bit over all bits: the mixer `moremur`.
#[inline(always)]
fn mix(sum: u64) -> u64 {
    let mut hash = sum ^ (sum >> 27);
    hash = hash.wrapping_mul(0x3c79_ac49_2ba7_b653);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0x1c69_b3f7_4ac4_ae35);
    hash ^ (hash >> 27)
}

#[cfg(test)]
mod tests {
    use super::hash;
    use crate::cache::test_numbers::Numbers;
    use alloc::vec::Vec;
    use alloc::{format, vec};

    /// A form of keys, by number.
    type Form = fn(u32) -> Vec<u8>;

    /// Keys as indexers have them: paths, outpoints, and counters in either byte order that end at
    /// any place of a word.
    const FORMS: [Form; 11] = [
        |n| n.to_le_bytes().to_vec(),
        |n| [b"/outpoint/by-txid/", &n.to_le_bytes()[..], &[0; 30]].concat(),
        |n| [b"/block/height/to/hash/", &n.to_be_bytes()[..]].concat(),
        |n| [&[0; 7][..], &[n as u8], &[0; 7], &[(n >> 8) as u8], &[0; 9]].concat(),
        |n| {
            let [low, high] = [n & 0xFF, n >> 8].map(u32::to_be_bytes);
            [b"/a/", &low[..], b"/b/", &high].concat()
        },
        |n| vec![n as u8; (n >> 8) as usize + 1],
        |n| format!("/blocks/by-height/{n}/transactions").into_bytes(),
        |n| [b"/outpoint/", &[0x5A; 32][..], &n.to_le_bytes()].concat(),
        |n| {
            let counters = [n >> 8, n & 0xFF].map(|part| u64::from(part).to_be_bytes());
            [b"/height/to/index", counters.as_flattened()].concat()
        },
        // Nothing but the last bytes of words differs.
        |n| {
            let fields = [0, 3, 6, 9, 12].map(|shift| ((n >> shift) & 7).to_be_bytes());
            fields.as_flattened().to_vec()
        },
        |n| [&[7; 60][..], &n.to_be_bytes(), &[9; 100]].concat(),
    ];

    /// How many of these values are equal to one before.
    fn repeated(mut values: Vec<u64>) -> usize {
        let all = values.len();
        values.sort_unstable();
        values.dedup();
        all - values.len()
    }

    /// So many bits of each hash, from one on.
    fn bits(hashes: &[u64], from: u32, bits: u32) -> Vec<u64> {
        let mask = u64::MAX >> (64 - bits);
        hashes.iter().map(|hash| (hash >> from) & mask).collect()
    }

    fn random_key(len: usize, numbers: &mut Numbers) -> Vec<u8> {
        (0..len).map(|_| numbers.below(256) as u8).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn spreads_keys_that_differ_in_few_bytes() {
        const KEYS: u32 = 1 << 15;
        for (form, key) in FORMS.iter().enumerate() {
            let hashes: Vec<u64> = (0..KEYS).map(|number| hash(&key(number))).collect();
            assert_eq!(repeated(hashes.clone()), 0, "form {form}");
            // What tells keys apart: each half, and the middle.
            for from in [0, 32, 16] {
                let repeated = repeated(bits(&hashes, from, 32));
                // Of 2^15 keys in 2^32 places, an eighth of a pair is expected to collide.
                assert!(repeated <= 3, "form {form}, from bit {from}: {repeated}");
            }
            // What chooses places, groups and tags: each byte takes every value about equally
            // often.
            for byte in 0..8 {
                let mut counts = [0i64; 256];
                for hash in &hashes {
                    counts[usize::from(hash.to_le_bytes()[byte])] += 1;
                }
                let expected = i64::from(KEYS) / 256;
                let chi: i64 = counts.iter().map(|count| (count - expected).pow(2)).sum();
                // Chi squared with 255 degrees of freedom: 255, with a deviation of 23; counters
                // may spread more evenly.
                let chi = chi / expected;
                assert!(chi <= 400, "form {form}, byte {byte}: {chi}");
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn each_bit_of_a_key_changes_each_bit_of_the_hash_half_the_time() {
        const KEYS: i32 = 1_000;
        let mut numbers = Numbers(3);
        for len in [4, 7, 12, 29, 41, 64, 100] {
            let mut changes = vec![[0; 64]; 8 * len];
            for _ in 0..KEYS {
                let mut key = random_key(len, &mut numbers);
                let before = hash(&key);
                for (at, changes) in changes.iter_mut().enumerate() {
                    key[at / 8] ^= 1 << (at % 8);
                    let changed = before ^ hash(&key);
                    key[at / 8] ^= 1 << (at % 8);
                    for (bit, count) in changes.iter_mut().enumerate() {
                        *count += (changed >> bit & 1) as i32;
                    }
                }
            }
            for (at, changes) in changes.iter().enumerate() {
                // Six deviations from the middle.
                let is_even = |count: &i32| (count - KEYS / 2).abs() <= KEYS / 10;
                assert!(changes.iter().all(is_even), "bit {at} of {len} bytes");
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "too long")]
    fn keys_that_differ_in_up_to_two_bits_collide_by_chance_alone() {
        let mut numbers = Numbers(4);
        for len in [8, 16, 20, 29, 41, 56, 64, 80] {
            let mut key = random_key(len, &mut numbers);
            let mut hashes = vec![hash(&key)];
            for first in 0..8 * len {
                key[first / 8] ^= 1 << (first % 8);
                hashes.push(hash(&key));
                for second in 0..first {
                    key[second / 8] ^= 1 << (second % 8);
                    hashes.push(hash(&key));
                    key[second / 8] ^= 1 << (second % 8);
                }
                key[first / 8] ^= 1 << (first % 8);
            }
            assert_eq!(repeated(hashes.clone()), 0, "{len} bytes");
            for from in [0, 32] {
                let repeated = repeated(bits(&hashes, from, 32));
                // Of 205,000 keys, five pairs are expected to.
                assert!(repeated <= 15, "{len} bytes, from bit {from}: {repeated}");
            }
        }
    }
}
