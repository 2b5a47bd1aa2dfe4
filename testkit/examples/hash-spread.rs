//! How hashes spread keys as indexers have them: paths and counters. 1.0 is what chance would do.
//!
//! In a module: `cargo build --release --target wasm32-wasip1 -p steadfast-testkit --example
//! hash-spread`, and `steadfast exec target/wasm32-wasip1/release/examples/hash-spread.wasm`. There
//! `usize` is smaller, and some hashes are others.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;
use rapidhash::v3::rapidhash_v3;
use rustc_hash::FxHasher;
use steadfast::cache::HashedKey;
use xxhash_rust::xxh64::xxh64;

const KEYS: u32 = 1 << 20;

/// Buckets of the index that is looked at.
const BUCKET_BITS: u32 = 17;

/// Their groups.
const GROUP_BITS: u32 = 10;

type Form = fn(u32) -> Vec<u8>;

const FORMS: [(&str, Form); 10] = [
    ("path, counter", |n| {
        [b"/block/by-height/", &n.to_le_bytes()[..]].concat()
    }),
    ("path, wide counter", |n| {
        [b"/sequence/", &u64::from(n).to_le_bytes()[..]].concat()
    }),
    ("path, counter, path", |n| {
        [b"/outpoint/", &n.to_le_bytes()[..], b"/rune/balance/id"].concat()
    }),
    ("two counters", |n| {
        let [low, high] = [n & 0x3FF, n >> 10].map(u32::to_le_bytes);
        [b"/runes/", &high[..], b"/tx/", &low[..]].concat()
    }),
    ("zeros, counter, zeros", |n| {
        [&[0; 11][..], &n.to_le_bytes(), &[0; 21]].concat()
    }),
    ("outpoint", |n| {
        [b"/outpoint/", &[0x5A; 32][..], &n.to_le_bytes()].concat()
    }),
    ("path of text", |n| {
        format!("/blocks/by-height/{n}/transactions").into_bytes()
    }),
    ("counter from the top", |n| n.to_be_bytes().to_vec()),
    ("two of them, wide", |n| {
        let counters = [n >> 10, n & 0x3FF].map(|part| u64::from(part).to_be_bytes());
        [b"/height/to/index", counters.as_flattened()].concat()
    }),
    ("five of them, small", |n| {
        let counters = [0, 4, 8, 12, 16].map(|shift| (n >> shift & 15).to_be_bytes());
        counters.as_flattened().to_vec()
    }),
];

type Hash = fn(&[u8]) -> u64;

const HASHES: [(&str, Hash); 5] = [
    ("steadfast", |key| HashedKey::new(key).index_hash()),
    ("xxh64", |key| xxh64(key, 0)),
    ("rustc-hash", |key| {
        let mut hasher = FxHasher::default();
        hasher.write(key);
        hasher.finish()
    }),
    ("foldhash", |key| {
        let mut hasher = FixedState::default().build_hasher();
        hasher.write(key);
        hasher.finish()
    }),
    ("rapidhash", rapidhash_v3),
];

/// Which bits of a hash choose a bucket, and which are its tag: so many.
type Split = fn(u64) -> (u32, u32);

const SPLITS: [(&str, i32, Split); 2] = [
    // 16 bits for the place in a group, 16 for the group, eight of tag.
    ("this index", 8, |hash| {
        let place = (hash >> 48) as u32 >> (16 - (BUCKET_BITS - GROUP_BITS));
        let group = hash as u32 >> 16 & ((1 << GROUP_BITS) - 1);
        (place << GROUP_BITS | group, hash as u32 & 0xFF)
    }),
    // The lowest bits choose, the highest seven of a `usize` are the tag.
    ("hashbrown", 7, |hash| {
        let tag = hash >> (usize::BITS - 7) & 0x7F;
        (hash as u32 & ((1 << BUCKET_BITS) - 1), tag as u32)
    }),
];

/// Pairs of equal ones among them.
fn pairs<T: Eq + std::hash::Hash>(values: impl Iterator<Item = T>) -> u64 {
    let mut counts: HashMap<T, u64> = HashMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    counts.values().map(|count| count * (count - 1) / 2).sum()
}

fn main() {
    let all_pairs = f64::from(KEYS) * f64::from(KEYS - 1) / 2.0;
    println!(
        "pairs of keys that collide, by what chance would do; in brackets those that are equal in all 64 bits"
    );
    for (name, hash) in HASHES {
        for (form, key) in FORMS {
            let hashes: Vec<u64> = (0..KEYS).map(|number| hash(&key(number))).collect();
            let whole = pairs(hashes.iter());
            let low = pairs(hashes.iter().map(|hash| *hash as u32)) as f64 / all_pairs;
            print!(
                "{name:>10}, {form:>22}: ({whole}) low half {:.2}",
                low * 2f64.powi(32)
            );
            for (index, tag_bits, split) in SPLITS {
                let places: Vec<(u32, u32)> = hashes.iter().map(|hash| split(*hash)).collect();
                let bucket = pairs(places.iter().map(|place| place.0)) as f64 / all_pairs;
                let both = pairs(places.iter()) as f64 / all_pairs;
                print!(
                    "; {index}: bucket {:.3}, with tag {:.3}",
                    bucket * 2f64.powi(BUCKET_BITS as i32),
                    both * 2f64.powi(BUCKET_BITS as i32 + tag_bits)
                );
            }
            println!();
        }
    }
}
