//! The index: buckets of twelve slots, two candidates a key, in groups that double in number one bucket at a time.
//!
//! Of a key's hash, some bits choose the *place* of its home bucket within a group, some the group, and eight are its tag. The
//! other bucket has another place in the same group, which follows from place and tag: so it can be told from a slot
//! alone, and the way back is the same computation. An entry stands at home if there is a vacant slot, else in the other
//! bucket; where both are full, one entry of the pair is moved to its own other bucket; and where none can be moved,
//! the pair's least recently used entry is evicted.
//!
//! When the index is to grow, the next bucket is split in two by one more bit of its entries' group. All of that is
//! bounded, whatever the keys.

use core::num::NonZeroU32;

use super::scope::Scope;
use super::store::Store;
use super::tags::{among_first, among_last};
use crate::region::{Bucket, MAX_KEY_BYTES, STAMP_MASK, Slot, WAYS};

/// A bucket is split when there are more entries than this for each, until there are as many buckets as there can be. One
/// that is still to be split may then hold up to twice as many.
const ENTRIES_TO_SPLIT: u32 = 5;

/// So many entries of each bucket of a full pair are asked whether they can be moved. Where even these cannot, the index is
/// all but full, or the keys have been chosen so that none can.
const MOVES: usize = 4;

/// What a hash says about where a key stands.
#[derive(Clone, Copy)]
struct Candidates {
    /// Of the home bucket, in its group.
    place: u32,
    /// The group is what the low bits of this say, as many as the index's level.
    group: u32,
    tag: u8,
}

/// The two buckets in which a key may stand, and its tag.
#[derive(Clone, Copy)]
struct Pair {
    home: u32,
    other: u32,
    tag: u8,
}

impl Store {
    #[inline]
    fn candidates(&self, hash: u64) -> Candidates {
        let buckets = self.region.geometry().group_buckets;
        let tag = hash as u8;
        Candidates {
            place: ((hash >> 48) as u32).wrapping_mul(buckets) >> 16,
            group: hash as u32 >> 8,
            tag: tag | u8::from(tag == 0),
        }
    }

    /// The other place of an entry with this one, by its tag. One of the two is even and one odd.
    #[inline]
    fn other_place(&self, place: u32, tag: u8) -> u32 {
        let buckets = self.region.geometry().group_buckets;
        // The two add up to this odd number, modulo the number of buckets, which is even.
        let sum = 2 * ((u32::from(tag) * (buckets / 2)) >> 8) + 1;
        if sum >= place {
            sum - place
        } else {
            sum + buckets - place
        }
    }

    /// The bucket at a place in the group that these bits choose.
    #[inline]
    fn bucket_at(&self, place: u32, group: u32) -> u32 {
        let group_buckets = self.region.geometry().group_buckets;
        let header = self.region.header();
        let bucket = place.wrapping_add(group_buckets.wrapping_mul(group & header.group_mask));
        if bucket < header.buckets {
            bucket
        } else {
            bucket.wrapping_sub(header.whole_buckets)
        }
    }

    #[inline]
    fn other_bucket(&self, candidates: Candidates) -> u32 {
        let place = self.other_place(candidates.place, candidates.tag);
        self.bucket_at(place, candidates.group)
    }

    fn pair(&self, hash: u64) -> Pair {
        let candidates = self.candidates(hash);
        Pair {
            home: self.bucket_at(candidates.place, candidates.group),
            other: self.other_bucket(candidates),
            tag: candidates.tag,
        }
    }

    /// The entry of a scope with this key, which may be too long for any.
    #[inline(always)]
    pub fn find(&self, scope: Scope, key: &[u8], hash: u64) -> Option<NonZeroU32> {
        if key.len() > MAX_KEY_BYTES as usize {
            return None;
        }
        let candidates = self.candidates(hash);
        let home = self.bucket_at(candidates.place, candidates.group);
        let bucket = self.region.bucket(home);
        let found = self.find_in(bucket, candidates.tag, scope, key);
        if found.is_some() || bucket.overflowed == 0 {
            return found;
        }
        self.find_away(scope, key, hash)
    }

    /// The entry of a scope with this key, in its other bucket. Apart from [`find`](Self::find), so that finding a key at home does
    /// not pay for it.
    #[inline(never)]
    fn find_away(&self, scope: Scope, key: &[u8], hash: u64) -> Option<NonZeroU32> {
        let candidates = self.candidates(hash);
        let bucket = self.region.bucket(self.other_bucket(candidates));
        self.find_in(bucket, candidates.tag, scope, key)
    }

    #[inline(always)]
    fn find_in(&self, bucket: &Bucket, tag: u8, scope: Scope, key: &[u8]) -> Option<NonZeroU32> {
        // One loop after the other: where one of the first ways has the key, the last are not looked at.
        for way in among_first(&bucket.tags, tag) {
            if self.has_key(bucket.offsets[way], scope, key) {
                return NonZeroU32::new(bucket.offsets[way]);
            }
        }
        for way in among_last(&bucket.tags, tag) {
            if self.has_key(bucket.offsets[way], scope, key) {
                return NonZeroU32::new(bucket.offsets[way]);
            }
        }
        None
    }

    fn vacant_way(&self, bucket: u32) -> Option<usize> {
        self.region.bucket(bucket).way_of(0)
    }

    /// Gives an entry a slot. May evict one entry of its pair of buckets, which is counted as displaced. `false` if
    /// damage was found: the cache has started over then, and the entry's block is gone with the others.
    #[inline]
    pub fn place(&mut self, at: u32, hash: u64) -> bool {
        let candidates = self.candidates(hash);
        let slot = Slot {
            tag: candidates.tag,
            offset: at,
        };
        let home = self.bucket_at(candidates.place, candidates.group);
        if !self.fill_vacant(home, slot) && !self.place_away(at, hash) {
            return false;
        }
        let header = self.region.header_mut();
        header.indexed = header.indexed.wrapping_add(1);
        true
    }

    /// Fills a vacant slot of a bucket, if it has one.
    #[inline]
    fn fill_vacant(&mut self, bucket: u32, slot: Slot) -> bool {
        let bucket = self.region.bucket_mut(bucket);
        let way = bucket.way_of(0);
        if let Some(way) = way {
            bucket.fill(way, slot);
        }
        way.is_some()
    }

    /// As [`place`](Self::place), where the home bucket is full.
    #[inline(never)]
    fn place_away(&mut self, at: u32, hash: u64) -> bool {
        let pair = self.pair(hash);
        let slot = Slot {
            tag: pair.tag,
            offset: at,
        };
        if self.fill_vacant(pair.other, slot) {
            self.region.bucket_mut(pair.home).overflowed = 1;
            return true;
        }
        self.place_by_moving(at, pair) || self.place_by_evicting(at, pair)
    }

    /// Evicts the entry of a full pair of buckets that was used least recently, and takes its slot.
    fn place_by_evicting(&mut self, at: u32, pair: Pair) -> bool {
        let Some(victim) = self.oldest_of(pair) else {
            self.start_over();
            return false;
        };
        if self.drop_entry(victim).is_none() {
            return false;
        }
        let header = self.region.header_mut();
        header.displaced = header.displaced.wrapping_add(1);
        for bucket in [pair.home, pair.other] {
            if let Some(way) = self.vacant_way(bucket) {
                self.fill(bucket, way, at, pair);
                return true;
            }
        }
        self.start_over();
        false
    }

    fn fill(&mut self, bucket: u32, way: usize, at: u32, pair: Pair) {
        self.region.bucket_mut(bucket).fill(
            way,
            Slot {
                tag: pair.tag,
                offset: at,
            },
        );
        if bucket != pair.home {
            self.region.bucket_mut(pair.home).overflowed = 1;
        }
    }

    /// Moves one entry of a full pair of buckets to its own other bucket, and takes its slot.
    fn place_by_moving(&mut self, at: u32, pair: Pair) -> bool {
        for from in [pair.home, pair.other] {
            let tags = self.region.bucket(from).tags;
            for (way, tag) in tags.into_iter().enumerate().take(MOVES) {
                // With this tag it would come to the other bucket of the pair.
                if tag == pair.tag {
                    continue;
                }
                let Some(to) = self.way_out(from, tag) else {
                    continue;
                };
                let Some(vacant) = self.vacant_way(to) else {
                    continue;
                };
                let slot = self.region.bucket(from).slot(way);
                self.region.bucket_mut(to).fill(vacant, slot);
                self.region.bucket_mut(from).overflowed = 1;
                self.fill(from, way, at, pair);
                let header = self.region.header_mut();
                header.relocated = header.relocated.wrapping_add(1);
                return true;
            }
        }
        false
    }

    /// The other bucket of an entry that stands in this one, by its tag; `None` where that has been split and this one
    /// has not, so that the entry's key would have to be asked.
    fn way_out(&self, bucket: u32, tag: u8) -> Option<u32> {
        let group_buckets = self.region.geometry().group_buckets;
        let header = self.region.header();
        let split = header.buckets.wrapping_sub(header.whole_buckets);
        let (group, place) = (bucket / group_buckets, bucket % group_buckets);
        let to = self.bucket_at(self.other_place(place, tag), group);
        let is_split = bucket < split || bucket >= header.whole_buckets;
        (is_split || to >= split).then_some(to)
    }

    /// The entry of a full pair of buckets that was used least recently, by its stamp. Stamps are coarse and wrap: a tie
    /// goes to the first, and an entry unused for a very long time may pass for a young one.
    fn oldest_of(&self, pair: Pair) -> Option<u32> {
        let shift = self.region.geometry().stamp_shift;
        let now = self.region.header().stamp(shift);
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
        let candidates = self.candidates(hash);
        let home = self.bucket_at(candidates.place, candidates.group);
        let is_taken = self.vacate(home, at) || self.vacate(self.other_bucket(candidates), at);
        if is_taken {
            let header = self.region.header_mut();
            header.indexed = header.indexed.wrapping_sub(1);
        }
        is_taken
    }

    #[inline]
    fn vacate(&mut self, bucket: u32, at: u32) -> bool {
        let bucket = self.region.bucket_mut(bucket);
        let way = bucket.way_of(at);
        if let Some(way) = way {
            bucket.vacate(way);
        }
        way.is_some()
    }

    /// Splits a bucket, if the index is to grow. `false` if damage was found; the cache has started over then.
    #[inline]
    pub fn grow_index(&mut self) -> bool {
        let header = self.region.header();
        let is_due =
            header.indexed / ENTRIES_TO_SPLIT >= header.buckets && self.region.has_next_bucket();
        !is_due || self.split_bucket()
    }

    /// Splits the next bucket: those of its entries whose group has the next bit set go to a new one. `false` if damage
    /// was found; the cache has started over then.
    fn split_bucket(&mut self) -> bool {
        let header = self.region.header();
        let (whole, to) = (header.whole_buckets, header.buckets);
        let from = to.wrapping_sub(whole);
        let next_bit = header.group_mask ^ (header.group_mask >> 1);
        let old = *self.region.bucket(from);
        let empty = Bucket {
            overflowed: old.overflowed,
            ..Bucket::EMPTY
        };
        let mut halves = [empty; 2];
        let mut ways = [0; 2];
        for slot in (0..WAYS).map(|way| old.slot(way)) {
            if slot.tag == 0 {
                continue;
            }
            let Some(hash) = self.hash_of(slot.offset) else {
                self.start_over();
                return false;
            };
            let half = usize::from(self.candidates(hash).group & next_bit != 0);
            halves[half].fill(ways[half], slot);
            ways[half] += 1;
        }
        *self.region.bucket_mut(from) = halves[0];
        *self.region.bucket_mut(to) = halves[1];
        let header = self.region.header_mut();
        header.buckets = to.wrapping_add(1);
        if header.buckets == whole.wrapping_mul(2) {
            header.whole_buckets = header.buckets;
            header.group_mask = header.group_mask.wrapping_mul(2) | 1;
        }
        true
    }

    /// The hash of the entry at an offset, from its scope and key or, where that is long, from behind its value.
    #[inline]
    pub fn hash_of(&self, at: u32) -> Option<u64> {
        let entry = self.region.entry(at)?;
        if let Some(hash_at) = entry.hash_offset() {
            let bytes = self.region.bytes(at.wrapping_add(hash_at), 8)?;
            return bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        }
        let (_, key) = self.region.entry_and_key(at, entry.key_len())?;
        Some(Scope::of(entry)?.hash(key))
    }
}
