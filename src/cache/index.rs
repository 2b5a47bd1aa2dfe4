//! The index: buckets of twelve slots, two candidates a key, never rehashed.
//!
//! A key's *home* bucket comes from its hash; its other one from home and tag, so that it can be told from a slot alone,
//! and the way back is the same computation. An entry stands at home if there is a vacant slot, else in the other
//! bucket; where both are full, one entry of the pair is moved to its own other bucket; and where none can be moved,
//! the pair's least recently used entry is evicted. All of that is bounded, whatever the keys.

use super::scope::Scope;
use super::store::{Found, Store};
use super::tags::matches;
use crate::region::{STAMP_MASK, Slot, WAYS};

/// The two buckets in which a key may stand, and its tag.
#[derive(Clone, Copy)]
struct Pair {
    home: u32,
    other: u32,
    tag: u8,
}

impl Store {
    #[inline]
    fn home_and_tag(&self, hash: u64) -> (u32, u8) {
        let buckets = u64::from(self.region.geometry().buckets);
        ((((hash >> 32) * buckets) >> 32) as u32, (hash as u8).max(1))
    }

    /// The other bucket of an entry that may stand in this one, by its tag. One of the two is even and one odd.
    #[inline]
    fn other_bucket(&self, bucket: u32, tag: u8) -> u32 {
        let buckets = self.region.geometry().buckets;
        let spread = u64::from(u32::from(tag).wrapping_mul(0x9E37_79B1));
        // The two add up to this odd number, modulo the number of buckets, which is even.
        let sum = 2 * ((spread * u64::from(buckets / 2)) >> 32) as u32 + 1;
        if sum >= bucket {
            sum - bucket
        } else {
            sum.wrapping_sub(bucket).wrapping_add(buckets)
        }
    }

    fn pair(&self, hash: u64) -> Pair {
        let (home, tag) = self.home_and_tag(hash);
        Pair {
            home,
            other: self.other_bucket(home, tag),
            tag,
        }
    }

    /// The entry of a scope with this key.
    #[inline]
    pub fn find(&self, scope: Scope, key: &[u8], hash: u64) -> Option<Found> {
        let (home, tag) = self.home_and_tag(hash);
        let bucket = self.region.bucket(home);
        for way in matches(&bucket.tags, tag) {
            if let Some(found) = self.entry_with_key(bucket.offsets[way], scope, key) {
                return Some(found);
            }
        }
        if bucket.away == 0 {
            return None;
        }
        let bucket = self.region.bucket(self.other_bucket(home, tag));
        matches(&bucket.tags, tag)
            .find_map(|way| self.entry_with_key(bucket.offsets[way], scope, key))
    }

    fn vacant_way(&self, bucket: u32) -> Option<usize> {
        matches(&self.region.bucket(bucket).tags, 0).next()
    }

    fn count_away(&mut self, home: u32, more: bool) {
        let away = &mut self.region.bucket_mut(home).away;
        *away = if more {
            away.saturating_add(1)
        } else {
            away.saturating_sub(1)
        };
    }

    /// Gives an entry a slot. May evict one entry of its pair of buckets, which is counted as displaced. `false` if
    /// damage was found: the cache has started over then, and the entry's block is gone with the others.
    pub fn place(&mut self, at: u32, hash: u64) -> bool {
        let pair = self.pair(hash);
        if self.place_vacant(at, pair) || self.place_by_moving(at, pair) {
            return true;
        }
        let Some(victim) = self.oldest_of(pair) else {
            self.start_over();
            return false;
        };
        if self.evict(victim).is_none() {
            return false;
        }
        let header = self.region.header_mut();
        header.displaced = header.displaced.wrapping_add(1);
        self.place_vacant(at, pair)
    }

    fn fill(&mut self, bucket: u32, way: usize, at: u32, pair: Pair) {
        let guest = bucket != pair.home;
        self.region.bucket_mut(bucket).fill(
            way,
            Slot {
                tag: pair.tag,
                offset: at,
                guest,
            },
        );
        if guest {
            self.count_away(pair.home, true);
        }
    }

    fn place_vacant(&mut self, at: u32, pair: Pair) -> bool {
        for bucket in [pair.home, pair.other] {
            if let Some(way) = self.vacant_way(bucket) {
                self.fill(bucket, way, at, pair);
                return true;
            }
        }
        false
    }

    /// Moves one entry of a full pair of buckets to its own other bucket, and takes its slot.
    fn place_by_moving(&mut self, at: u32, pair: Pair) -> bool {
        for from in [pair.home, pair.other] {
            for way in 0..WAYS {
                let slot = self.region.bucket(from).slot(way);
                let to = self.other_bucket(from, slot.tag);
                let Some(vacant) = self.vacant_way(to) else {
                    continue;
                };
                self.region.bucket_mut(to).fill(
                    vacant,
                    Slot {
                        guest: !slot.guest,
                        ..slot
                    },
                );
                // A guest is back at its home now; an entry that was at home is away.
                let home = if slot.guest { to } else { from };
                self.count_away(home, !slot.guest);
                self.fill(from, way, at, pair);
                let header = self.region.header_mut();
                header.relocated = header.relocated.wrapping_add(1);
                return true;
            }
        }
        false
    }

    /// The entry of a full pair of buckets that was used least recently, by its stamp. Stamps are coarse and wrap: a tie
    /// goes to the first, and an entry unused for a very long time may pass for a young one.
    fn oldest_of(&self, pair: Pair) -> Option<u32> {
        let now = self
            .region
            .header()
            .stamp(self.region.geometry().stamp_shift);
        let mut oldest = None;
        let mut greatest_age = 0;
        for bucket in [pair.home, pair.other] {
            for at in self.region.bucket(bucket).offsets {
                let Some(entry) = self.region.entry(at) else {
                    continue;
                };
                let age = now.wrapping_sub(entry.stamp()) & STAMP_MASK;
                if oldest.is_none() || age > greatest_age {
                    (oldest, greatest_age) = (Some(at), age);
                }
            }
        }
        oldest
    }

    /// Takes an entry's slot away. Says whether it had one.
    pub fn unplace(&mut self, at: u32, hash: u64) -> bool {
        let pair = self.pair(hash);
        for bucket in [pair.home, pair.other] {
            let held = self.region.bucket(bucket);
            let Some(way) = matches(&held.tags, pair.tag).find(|&way| held.offsets[way] == at)
            else {
                continue;
            };
            if held.slot(way).guest {
                self.count_away(pair.home, false);
            }
            self.region.bucket_mut(bucket).vacate(way);
            return true;
        }
        false
    }

    /// The hash of the entry at an offset, from its scope and key.
    pub fn hash_of(&self, at: u32) -> Option<u64> {
        let entry = self.region.entry(at)?;
        let (key, _) = self.key_value(at, entry)?;
        Some(Scope::of(entry)?.hash(key))
    }
}
