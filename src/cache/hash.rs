//! The hash of the index. It is part of the region's format; `docs/formats.md` specifies it.
//!
//! A piece of a key is a sum of 32-bit words, each multiplied by a 64-bit factor of its own. So
//! every bit of a word reaches at least 32 bits of the sum, and keys that differ in one word never
//! have the same sum. A mixer then spreads the sum over all 64 bits. There is no seed, and keys
//! with one hash are easy to make: whoever uses it bounds the work for them, as the index does.
//! What other hashes cost is in `docs/decisions/hash.md`.

use super::bytes::ends;

/// The hash's name as the header has it. Another hash needs another name.
pub const NAME: [u8; 16] = *b"multilinear-2\0\0\0";

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

/// The hash of a key. One below 64 bytes takes neither loop nor call.
#[inline(always)]
pub fn hash(key: &[u8]) -> u64 {
    let len = key.len() as u64;
    if key.len() >= PIECE_BYTES {
        return hash_long(key, len);
    }
    mix(add_rest(len, key))
}

#[inline(never)]
fn hash_long(key: &[u8], len: u64) -> u64 {
    let mut hash = len;
    let mut rest = key;
    while let Some((piece, behind)) = rest.split_first_chunk::<PIECE_BYTES>() {
        hash = mix(sum_words(piece, &FACTORS).wrapping_add(hash));
        rest = behind;
    }
    mix(add_rest(hash, rest))
}

/// Adds the sum of less than a piece: of parts of 32, 16 and 8 bytes, and of up to 7 that are left.
///
/// They are read from the start on, as keys are written. A processor passes what was just written
/// on to a load that lies within one store. Another load waits until all that is older is done, and
/// so a lookup would wait for the memory that the one before it reads.
#[inline(always)]
fn add_rest(mut sum: u64, rest: &[u8]) -> u64 {
    let len = rest.len();
    let mut add = |addend: u64| sum = addend.wrapping_add(sum);
    if let Some(part) = rest.first_chunk::<32>() {
        add(sum_words(part, &FACTORS));
    }
    if let Some(part) = rest[len & 32..].first_chunk::<16>() {
        add(sum_words(part, &FACTORS[8..]));
    }
    if let Some(part) = rest[len & 48..].first_chunk::<8>() {
        add(sum_words(part, &FACTORS[12..]));
    }
    if len & 4 != 0 {
        if let Some([last, first]) = ends::<4>(&rest[len & 56..]) {
            add(sum_words(first, &FACTORS[14..]));
            add(sum_words(last, &FACTORS[15..]));
        }
    } else if len & 3 != 0 {
        add(sum_few(&rest[len & 56..]));
    }
    sum
}

/// The sum of up to three bytes.
#[inline(never)]
fn sum_few(bytes: &[u8]) -> u64 {
    let mut sum = 0;
    if let Some(pair) = bytes.first_chunk() {
        sum = u64::from(u16::from_le_bytes(*pair)).wrapping_mul(FACTORS[14]);
    }
    match bytes.get(bytes.len() & 2) {
        Some(byte) => u64::from(*byte).wrapping_mul(FACTORS[15]).wrapping_add(sum),
        None => sum,
    }
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
