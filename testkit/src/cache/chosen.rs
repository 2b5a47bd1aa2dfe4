//! Keys that an attacker would choose: they collide in their buckets and in their tag.

use super::{Spec, noise, region_with_bytes};
use steadfast::cache::{Cache, HashedKey};
use steadfast::region::{BUCKET_BYTES, HEADER_BYTES, SLOTS};

/// Key number `number` of those that are tried: 53 bytes, alike up to the last eight, so that
/// comparing two takes longest.
pub fn chosen_key(number: u64) -> Vec<u8> {
    let mut key = b"/chosen/by/an/attacker/who/knows/the/hash/...".to_vec();
    key.extend_from_slice(&number.to_le_bytes());
    key
}

/// So many keys that stand in the same bucket with the same tag, in a region of that capacity whose
/// index has grown to its full size. They are ground: tried one by one in a cache whose bytes are
/// looked at from outside. `None` if a hundred million do not hold as many.
pub fn colliding_keys(capacity: u32, count: usize) -> Option<Vec<Vec<u8>>> {
    let (region, bytes) = region_with_bytes(&Spec::fresh(capacity));
    let mut cache = Cache::new(region);
    let fill: Vec<u8> = noise(1).take(96).collect();
    for number in 0..capacity / 64 {
        cache.insert(&number.to_le_bytes(), &fill).ok()?;
    }
    cache.evict_to(0);
    // The tags are a bucket's first bytes; the index is empty, but as large as it was.
    let tags = |at: u32| bytes.read(at as usize, SLOTS);
    let buckets = cache.stats().index_bytes / BUCKET_BYTES;
    let first = chosen_key(0);
    cache.insert(&first, b"").ok()?;
    let at = (0..buckets)
        .map(|bucket| HEADER_BYTES + bucket * BUCKET_BYTES)
        .find(|at| tags(*at).iter().any(|tag| *tag != 0))?;
    let tag = *tags(at).iter().find(|tag| **tag != 0)?;
    let mut keys = vec![first];
    for number in 1..100_000_000 {
        if keys.len() == count {
            return Some(keys);
        }
        let key = chosen_key(number);
        cache.insert(&key, b"").ok()?;
        let collides = tags(at).iter().filter(|held| **held == tag).count() == 2;
        cache.remove(&key);
        if collides {
            keys.push(key);
        }
    }
    None
}

/// A region whose index is one group of two buckets.
pub fn two_buckets() -> Spec {
    Spec {
        expected_entry: 100,
        ..Spec::fresh(4_000)
    }
}

/// The keys of four bytes whose home is the first of [two buckets](two_buckets), as the highest bit
/// of their hash says, and whose tag is meant.
pub fn keys_of_first_bucket(is_meant: impl Fn(u8) -> bool) -> impl Iterator<Item = [u8; 4]> {
    let all = (0..u32::MAX).map(u32::to_le_bytes);
    all.filter(move |key| {
        let hash = HashedKey::new(key).index_hash();
        hash >> 63 == 0 && is_meant(hash as u8)
    })
}
