//! The index: buckets of twelve slots, two candidate buckets a key, in groups that double in number
//! one bucket at a time.
//!
//! Some bits of a key's hash choose the *place* of its home bucket within a group, some the group,
//! and eight are its tag. The other bucket has another place in the same group. It follows from
//! place and tag, and the way back is the same computation. An entry keeps the place of the bucket
//! where it stands, and the bits that choose the group. So it is moved and found again without its
//! key.
//!
//! An entry stands at home if a slot is vacant there, else in its other bucket. Where both are
//! full, one entry of the pair is moved to its own other bucket. Where none can be moved, the
//! pair's least recently used entry has to go. When the index is to grow, the next bucket is split
//! in two by one more bit of its entries' group. All of that is bounded, whatever the keys.
//!
//! Invariants: each entry has one slot, in the one of its two buckets that its header tells; a
//! bucket counts its entries that stand in their other ones, by tag, and not too few; the region's
//! header counts the occupied slots.

use core::hint::black_box;
use core::num::NonZeroU32;

use super::bytes::equal;
use super::invalid::CacheError;
use super::scope::Scope;
use crate::lanes::{among_first, among_last, count, exactly};
use crate::region::{Bucket, EntryHeader, MAX_KEY_BYTES, Occupant, RegionView, SLOTS, Standing};

/// A bucket is split when there are more entries than this for each, until there are as many
/// buckets as there can be. One that is still to be split may then hold up to twice as many.
const ENTRIES_TO_SPLIT: u32 = 5;

/// This many entries of each bucket of a full pair are asked whether they can be moved. Where even
/// these cannot, the index is all but full, or the keys have been chosen so that none can.
const MOVES: usize = 6;

/// A vacant slot has tag 0, which may pass for 1.
const LEAST_TAG: u8 = 2;

/// A bucket has at most this many entries with one tag: a search compares them all. Nor does a full
/// pair of buckets get more. Of keys that have not been chosen, one in a million finds as many.
const MOST_ALIKE: u32 = 4;

/// The index of a region, to be read or to be written.
#[derive(Clone, Copy)]
pub struct Index<R>(pub R);

/// What became of an entry that was to get a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    AtHome {
        slot: usize,
    },
    /// In its other bucket.
    Away {
        slot: usize,
    },
    /// At home, in the slot of an entry that was moved.
    Instead {
        slot: usize,
    },
    /// Both buckets are full, and none of their entries can be moved.
    Full {
        /// The least recently used entry of the pair, if there are any.
        victim: Option<NonZeroU32>,
    },
    /// The pair has too many entries with this tag.
    Crowded {
        /// The least recently used of those.
        victim: NonZeroU32,
    },
}

/// A key's hash and its home bucket, so that an insert that has looked for its key does not look
/// for the bucket again. It holds until the index grows or is emptied.
#[derive(Clone, Copy, Debug)]
pub struct Home {
    pub hash: u64,
    /// The bucket's number; above its bits, how many entries there the search for the key has
    /// compared in vain. Of two fields each is passed on in a register, of three none.
    packed: u32,
}

impl Home {
    /// A region of 4 GiB has fewer buckets.
    const BUCKET_BITS: u32 = 27;

    fn bucket(self) -> u32 {
        self.packed & ((1 << Home::BUCKET_BITS) - 1)
    }

    fn note_alike(&mut self) {
        self.packed = self.packed.wrapping_add(1 << Home::BUCKET_BITS);
    }

    /// Whether the bucket had too many entries with the key's tag. Some may have gone since.
    fn was_crowded(self) -> bool {
        self.packed >= MOST_ALIKE << Home::BUCKET_BITS
    }
}

/// The two buckets in which a key may stand, and its tag.
#[derive(Clone, Copy)]
struct Pair {
    home: u32,
    other: u32,
    tag: u8,
}

/// An entry that makes place for another, in one bucket of a pair, by going to its own other one.
struct Move {
    slot: usize,
    moved: Occupant,
    to: u32,
    vacant: usize,
    /// Whether it stands away from home then.
    is_away: bool,
}

impl Index<&RegionView> {
    /// Where an entry whose key has this hash stands, or is to stand, if it can.
    #[inline(always)]
    pub fn home(self, hash: u64) -> Home {
        Home {
            hash,
            packed: self.bucket_of(self.at_home(hash)),
        }
    }

    /// The entry of a scope with this key, which may be too long for any. Where there is none, its
    /// home knows how many entries there look like it.
    #[inline(always)]
    pub fn find(self, scope: Scope, key: &[u8], home: &mut Home) -> Option<NonZeroU32> {
        if key.len() > MAX_KEY_BYTES as usize {
            return None;
        }
        let tag = tag_of(home.hash);
        let bucket = self.0.bucket(home.bucket());
        let found = self.find_in(bucket, tag, scope, key, || home.note_alike());
        if found.is_some() || !bucket.may_be_away(tag) {
            return found;
        }
        self.find_away(scope, key, home.hash)
    }

    /// Reads what lookups of keys with these hashes read first: all their buckets, then all the
    /// entries that these lead to. So the processor waits for many of them at a time.
    pub fn touch(self, hashes: &[u64]) {
        let home = |hash: u64| self.0.bucket(self.home(hash).bucket());
        let mut read = 0;
        for hash in hashes {
            read ^= home(*hash).offsets[0];
        }
        for hash in hashes {
            let bucket = home(*hash);
            let slot = first_slot(bucket, tag_of(*hash));
            let entry = slot.and_then(|slot| self.0.entry(bucket.offsets[slot]));
            read ^= entry.map_or(0, |entry| entry.newer);
        }
        black_box(read);
    }

    /// The entry of a scope with this key, in its other bucket. Apart from [`find`](Self::find), so
    /// that finding a key at home does not pay for it.
    #[inline(never)]
    fn find_away(self, scope: Scope, key: &[u8], hash: u64) -> Option<NonZeroU32> {
        let bucket = self.0.bucket(self.bucket_of(self.away_from_home(hash)));
        self.find_in(bucket, tag_of(hash), scope, key, || ())
    }

    /// The entry of a bucket with this key. Counts those that have been compared in vain.
    #[inline(always)]
    fn find_in(
        self,
        bucket: &Bucket,
        tag: u8,
        scope: Scope,
        key: &[u8],
        mut note_alike: impl FnMut(),
    ) -> Option<NonZeroU32> {
        // One loop after the other: where one of the first slots has the key, the last are not
        // looked at.
        for slot in among_first(bucket.head(), tag) {
            if self.has_key(bucket.offsets[slot], scope, key) {
                return NonZeroU32::new(bucket.offsets[slot]);
            }
            if bucket.tags[slot] == tag {
                note_alike();
            }
        }
        for slot in among_last(bucket.head(), tag) {
            if self.has_key(bucket.offsets[slot], scope, key) {
                return NonZeroU32::new(bucket.offsets[slot]);
            }
            if bucket.tags[slot] == tag {
                note_alike();
            }
        }
        None
    }

    /// Whether the entry at an offset is this scope's and has this key, which is not too long for
    /// one.
    #[inline(always)]
    fn has_key(self, at: u32, scope: Scope, key: &[u8]) -> bool {
        let key_len = key.len() as u32;
        match self.0.entry_and_key(at, key_len) {
            Some((entry, own)) => {
                entry.is_like(key_len, scope.number()) && scope.holds(entry) && equal(own, key)
            }
            None => false,
        }
    }

    /// The other place of an entry with this one, by its tag. One of the two is even and one odd.
    #[inline]
    fn other_place(self, place: u32, tag: u8) -> u32 {
        let buckets = self.0.geometry().group_buckets;
        // The two add up to this odd number, modulo the number of buckets, which is even.
        let sum = 2 * ((u32::from(tag) * (buckets / 2)) >> 8) + 1;
        if sum >= place {
            sum - place
        } else {
            // A damaged entry may name a place that there is not.
            sum.wrapping_add(buckets).wrapping_sub(place)
        }
    }

    /// The bucket at a place in the group that these bits choose.
    #[inline]
    fn bucket_at(self, place: u32, group: u32) -> u32 {
        let group_buckets = self.0.geometry().group_buckets;
        let header = self.0.header();
        let bucket = place.wrapping_add(group_buckets.wrapping_mul(group & header.group_mask));
        if bucket < header.buckets {
            bucket
        } else {
            bucket.wrapping_sub(header.whole_buckets)
        }
    }

    /// Where an entry is whose key has this hash, if it stands at home.
    #[inline]
    pub fn at_home(self, hash: u64) -> Standing {
        let buckets = self.0.geometry().group_buckets;
        Standing {
            place: ((hash >> 48) as u32).wrapping_mul(buckets) >> 16,
            group: hash as u32 >> 16,
            is_away: false,
        }
    }

    /// Where an entry is whose key has this hash, if it stands in its other bucket.
    #[inline]
    pub fn away_from_home(self, hash: u64) -> Standing {
        self.across(self.at_home(hash), tag_of(hash))
    }

    /// Where an entry with this tag is once it is moved.
    #[inline]
    fn across(self, from: Standing, tag: u8) -> Standing {
        Standing {
            place: self.other_place(from.place, tag),
            is_away: !from.is_away,
            ..from
        }
    }

    #[inline]
    fn bucket_of(self, standing: Standing) -> u32 {
        self.bucket_at(standing.place, standing.group)
    }

    /// Whether this is the bucket of an entry that says it stands there, as any does that is not
    /// damaged.
    fn stands_in(self, standing: Standing, bucket: u32) -> bool {
        standing.place < self.0.geometry().group_buckets && self.bucket_of(standing) == bucket
    }

    fn pair(self, home: Home) -> Pair {
        Pair {
            home: home.bucket(),
            other: self.bucket_of(self.away_from_home(home.hash)),
            tag: tag_of(home.hash),
        }
    }

    /// Where a pair has too many entries with its tag, the least recently used of those that crowd
    /// one of its buckets, or both. Once that one is gone there is a slot where it stood, which a
    /// key of this home may have.
    fn crowding(self, pair: Pair) -> Option<NonZeroU32> {
        let [home, other] = [pair.home, pair.other].map(|bucket| self.0.bucket(bucket));
        let [in_home, in_other] = [home, other].map(|bucket| count(bucket.head(), pair.tag));
        if in_home >= MOST_ALIKE {
            self.oldest_of(alike(home, pair.tag))
        } else if in_other >= MOST_ALIKE {
            self.oldest_of(alike(other, pair.tag))
        } else if in_home + in_other >= MOST_ALIKE
            && [home, other]
                .iter()
                .all(|bucket| vacant_slot(bucket).is_none())
        {
            self.oldest_of(alike(home, pair.tag).chain(alike(other, pair.tag)))
        } else {
            None
        }
    }

    /// How one of the first entries of a full bucket can be moved to its other bucket.
    fn movable(self, from: u32, tag: u8) -> Option<Move> {
        let bucket = self.0.bucket(from);
        (0..MOVES).find_map(|slot| {
            let moved = bucket.occupant(slot);
            if moved.tag == tag {
                // It would come to the other bucket of the pair.
                return None;
            }
            let standing = self.0.entry(moved.offset)?.standing();
            let across = self.across(standing, moved.tag);
            let to = self.bucket_of(across);
            let other = self.0.bucket(to);
            let vacant = vacant_slot(other)?;
            // Of a damaged entry this is not its other bucket.
            let is_fit =
                self.stands_in(standing, from) && count(other.head(), moved.tag) < MOST_ALIKE;
            is_fit.then_some(Move {
                slot,
                moved,
                to,
                vacant,
                is_away: across.is_away,
            })
        })
    }

    /// The one of these entries that was used least recently, by its stamp. Stamps are coarse and
    /// wrap: an entry unused for a very long time may pass for a young one. A tie goes to another
    /// slot each time: the one that was displaced last is the one that was filled last.
    fn oldest_of(self, mut entries: impl Iterator<Item = u32> + Clone) -> Option<NonZeroU32> {
        const TIES: u32 = 32;
        let header = self.0.header();
        let now = header.stamp(self.0.geometry().stamp_shift);
        let turn = header.displaced as u32 % TIES;
        // The last bits of a rank tell whose it is.
        let older = |(most, number): (u32, u32), at| {
            let age = self.0.entry(at).map_or(0, |entry| entry.age(now));
            (most.max(TIES * age + (number ^ turn)), number + 1)
        };
        let (most, _) = entries.clone().fold((0, 0), older);
        let oldest = (most ^ turn) % TIES;
        entries.nth(oldest as usize).and_then(NonZeroU32::new)
    }

    /// Whether the index leads to the entry at an offset with this scope and key, and the entry
    /// knows where it stands.
    pub fn check_entry(self, at: u32, scope: Scope, key: &[u8]) -> Result<(), CacheError> {
        let hash = scope.hash(key);
        let found = self.find(scope, key, &mut self.home(hash));
        let tag = tag_of(hash);
        let possible = [self.at_home(hash), self.away_from_home(hash)];
        let stands_there = self.0.entry(at).is_some_and(|entry| {
            let (standing, slot) = (entry.standing(), entry.slot());
            let bucket = self.0.bucket(self.bucket_of(standing));
            possible.contains(&standing) && bucket.has(slot, at) && bucket.tags[slot] == tag
        });
        if stands_there && found == NonZeroU32::new(at) {
            Ok(())
        } else {
            Err(CacheError::NotIndexed { at })
        }
    }

    /// Checks every bucket in use, and returns the number of occupied slots.
    pub fn validate(self) -> Result<u32, CacheError> {
        let mut occupied = 0;
        for number in 0..self.0.header().buckets {
            let bucket = self.0.bucket(number);
            for held in (0..SLOTS).map(|slot| bucket.occupant(slot)) {
                let is_whole = (held.tag == 0) == (held.offset == 0);
                if !is_whole || is_crowded(bucket, held.tag) {
                    return Err(CacheError::Bucket { bucket: number });
                }
                occupied += u32::from(held.tag != 0);
            }
        }
        Ok(occupied)
    }
}

impl Index<&mut RegionView> {
    #[inline]
    fn read(&self) -> Index<&RegionView> {
        Index(&*self.0)
    }

    /// The same for one call more. Methods take the index by value, so that the compiler sees that
    /// nobody else writes to the region meanwhile.
    #[inline]
    fn again(&mut self) -> Index<&mut RegionView> {
        Index(&mut *self.0)
    }

    /// Gives an entry a slot, if its pair of buckets has one or can be made to have one. It is for
    /// the caller to have the entry say so.
    #[inline]
    pub fn place(mut self, at: u32, home: Home) -> Placed {
        let entry = Occupant {
            tag: tag_of(home.hash),
            offset: at,
        };
        if !home.was_crowded() {
            if let Some(slot) = self.again().fill_vacant(home.bucket(), entry) {
                self.count_entry();
                return Placed::AtHome { slot };
            }
        }
        self.place_away(at, home)
    }

    /// Fills a vacant slot of a bucket, if it has one. Which it was.
    #[inline]
    fn fill_vacant(self, bucket: u32, entry: Occupant) -> Option<usize> {
        let bucket = self.0.bucket_mut(bucket);
        let slot = vacant_slot(bucket)?;
        bucket.fill(slot, entry);
        Some(slot)
    }

    /// As [`place`](Self::place), where the home bucket is full, or was crowded.
    #[inline(never)]
    fn place_away(mut self, at: u32, home: Home) -> Placed {
        let pair = self.read().pair(home);
        let other = self.0.bucket(pair.other);
        match vacant_slot(other) {
            Some(slot) if count(other.head(), pair.tag) < MOST_ALIKE && !home.was_crowded() => {
                self.again().fill_away(slot, at, pair);
                self.count_entry();
                Placed::Away { slot }
            }
            _ => self.place_in_full(at, pair),
        }
    }

    /// As [`place`](Self::place), where both buckets are full, or one was crowded.
    #[cold]
    #[inline(never)]
    fn place_in_full(mut self, at: u32, pair: Pair) -> Placed {
        if let Some(victim) = self.read().crowding(pair) {
            return Placed::Crowded { victim };
        }
        let entry = Occupant {
            tag: pair.tag,
            offset: at,
        };
        // Some of those that crowded it may have gone since.
        if let Some(slot) = self.again().fill_vacant(pair.home, entry) {
            self.count_entry();
            return Placed::AtHome { slot };
        }
        if let Some(placed) = self.again().place_by_moving(at, pair) {
            self.count_entry();
            return placed;
        }
        let index = self.read();
        let [home, other] = [pair.home, pair.other].map(|bucket| &index.0.bucket(bucket).offsets);
        Placed::Full {
            victim: index.oldest_of(home.iter().chain(other).copied()),
        }
    }

    /// Fills a slot of a pair's other bucket.
    #[inline(always)]
    fn fill_away(self, slot: usize, at: u32, pair: Pair) {
        let entry = Occupant {
            tag: pair.tag,
            offset: at,
        };
        self.0.bucket_mut(pair.other).fill(slot, entry);
        self.0.bucket_mut(pair.home).leave(pair.tag);
    }

    fn count_entry(self) {
        let header = self.0.header_mut();
        header.indexed = header.indexed.wrapping_add(1);
    }

    /// Moves one entry of a full pair of buckets to its own other bucket, and takes its slot.
    fn place_by_moving(mut self, at: u32, pair: Pair) -> Option<Placed> {
        for from in [pair.home, pair.other] {
            let Some(Move {
                slot,
                moved,
                to,
                vacant,
                is_away,
            }) = self.read().movable(from, pair.tag)
            else {
                continue;
            };
            self.0.bucket_mut(to).fill(vacant, moved);
            self.again().cross(moved, vacant);
            if is_away {
                self.0.bucket_mut(from).leave(moved.tag);
            } else {
                self.0.bucket_mut(to).come_back(moved.tag);
            }
            let header = self.0.header_mut();
            header.relocated = header.relocated.wrapping_add(1);
            if from == pair.home {
                let (tag, offset) = (pair.tag, at);
                self.0.bucket_mut(from).fill(slot, Occupant { tag, offset });
                return Some(Placed::Instead { slot });
            }
            self.again().fill_away(slot, at, pair);
            return Some(Placed::Away { slot });
        }
        None
    }

    /// Takes its slot away from an entry with this header. Says whether it had one, and was counted
    /// where it stands in its other bucket.
    pub fn unplace(self, at: u32, entry: &EntryHeader) -> bool {
        let (standing, slot) = (entry.standing(), entry.slot());
        let bucket = self.read().bucket_of(standing);
        let bucket = self.0.bucket_mut(bucket);
        if !bucket.has(slot, at) {
            return false;
        }
        let tag = bucket.occupant(slot).tag;
        bucket.vacate(slot);
        if standing.is_away {
            let home = self.read().across(standing, tag);
            let home = self.read().bucket_of(home);
            let home = self.0.bucket_mut(home);
            if !home.may_be_away(tag) {
                return false;
            }
            home.come_back(tag);
        }
        let header = self.0.header_mut();
        header.indexed = header.indexed.wrapping_sub(1);
        true
    }

    /// Has an entry say that it stands in the other one of its buckets than before, in this slot.
    fn cross(self, moved: Occupant, slot: usize) {
        let Some(standing) = self.0.entry(moved.offset).map(EntryHeader::standing) else {
            return;
        };
        let across = self.read().across(standing, moved.tag);
        if let Some(entry) = self.0.entry_mut(moved.offset) {
            entry.set_standing(across, slot);
        }
    }

    /// Has each bucket count its entries that stand in their other ones anew.
    pub fn count_away(self) {
        let buckets = self.0.header().buckets;
        for number in 0..buckets {
            if self.0.bucket(number).counts_away() {
                self.0.bucket_mut(number).forget_away();
            }
        }
        for number in 0..buckets {
            let bucket = *self.0.bucket(number);
            for Occupant { tag, offset } in (0..SLOTS).map(|slot| bucket.occupant(slot)) {
                let standing = self.0.entry(offset).map(EntryHeader::standing);
                if let Some(standing) = standing.filter(|standing| standing.is_away) {
                    let home = self.read().across(standing, tag);
                    let home = self.read().bucket_of(home);
                    self.0.bucket_mut(home).leave(tag);
                }
            }
        }
    }

    /// Splits a bucket, if the index is to grow. `None` if damage was found.
    #[inline]
    pub fn grow(mut self) -> Option<()> {
        let header = self.0.header();
        if header.indexed / ENTRIES_TO_SPLIT < header.buckets {
            return Some(());
        }
        self.again().split_next()
    }

    /// Splits a bucket, if there is room for one more. `None` if damage was found.
    #[inline]
    pub fn split_next(mut self) -> Option<()> {
        match self.0.has_next_bucket() {
            true => self.again().split_bucket(),
            false => Some(()),
        }
    }

    /// Splits the next bucket: those of its entries whose group has the next bit set go to a new
    /// one, each to the slot that it has. `None` if damage was found.
    fn split_bucket(self) -> Option<()> {
        let header = self.0.header();
        let (whole, to) = (header.whole_buckets, header.buckets);
        let from = to.wrapping_sub(whole);
        let next_bit = header.group_mask ^ (header.group_mask >> 1);
        let old = *self.0.bucket(from);
        let mut halves = [old.half(); 2];
        for slot in 0..SLOTS {
            let entry = old.occupant(slot);
            if entry.tag == 0 {
                continue;
            }
            let standing = self.0.entry(entry.offset)?.standing();
            let half = usize::from(standing.group & next_bit != 0);
            halves[half].fill(slot, entry);
        }
        *self.0.bucket_mut(from) = halves[0];
        *self.0.bucket_mut(to) = halves[1];
        let header = self.0.header_mut();
        header.buckets = to.wrapping_add(1);
        if header.buckets == whole.wrapping_mul(2) {
            header.whole_buckets = header.buckets;
            header.group_mask = header.group_mask.wrapping_mul(2) | 1;
        }
        Some(())
    }
}

fn tag_of(hash: u64) -> u8 {
    (hash as u8).max(LEAST_TAG)
}

/// Whether a bucket has more entries with a tag than it may have.
fn is_crowded(bucket: &Bucket, tag: u8) -> bool {
    tag != 0 && count(bucket.head(), tag) > MOST_ALIKE
}

/// The entries of a bucket with a tag.
fn alike(bucket: &Bucket, tag: u8) -> impl Iterator<Item = u32> + Clone {
    let [first, last] = exactly(bucket.head(), tag);
    first.chain(last).map(|slot| bucket.offsets[slot])
}

/// The first slot of a bucket with a tag.
#[inline]
fn first_slot(bucket: &Bucket, tag: u8) -> Option<usize> {
    let head = bucket.head();
    among_first(head, tag).chain(among_last(head, tag)).next()
}

fn vacant_slot(bucket: &Bucket) -> Option<usize> {
    first_slot(bucket, 0)
}

#[cfg(test)]
mod tests;
