//! What can be done to an image by somebody who knows the format, as `docs/formats.md` has it.

use steadfast::region::{HEADER_BYTES, RegionInfo};
use xxhash_rust::xxh64::xxh64;

/// Fields of the header.
const ARENA_START: u32 = 64;
const FRONTIER: u32 = 116;
const BUCKETS: u32 = 124;
const CONTENTS_SUM: usize = 208;
const POOLS: u32 = 232;
const POOL_BYTES: u32 = 64;
const NAMED_POOLS: u32 = 3;
const BIN_HEADS: u32 = 532;
const BINS: u32 = 312;
/// Words that count: frontier, free bytes, buckets, whole buckets, group mask, entries, clock,
/// stale pages twice, counters, height, pools.
const COUNTS: std::ops::Range<u32> = FRONTIER / 4..(POOLS + NAMED_POOLS * POOL_BYTES) / 4;

/// Fields of a bucket and of an entry.
const BUCKET_BYTES: u32 = 64;
const SLOTS: u32 = 16;
const SLOTS_OF_BUCKET: u32 = 12;
const LINKS: [u32; 2] = [0, 4];
const VALUE_WORD: u32 = 12;
const KEY_WORD: u32 = 16;
const VALUE_LEN: u32 = (1 << 25) - 1;
/// In the value word, above the length.
const SLOT_SHIFT: u32 = 25;
/// In the key word, with the bit above it.
const PLACE_SHIFT: u32 = 21;

/// A kind of damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A bit, or a word that may be anything.
    Anywhere,
    /// A link leads to another entry or free block.
    Links,
    /// A count, a sum or the frontier is another.
    Counts,
    /// An entry's or free block's length is a little more or less.
    Lengths,
    /// Links lead back to where they come from.
    Cycles,
    /// A slot or link leads into the middle of a block, or a block reaches into the next.
    Overlaps,
    /// A length is as large as can be written.
    HugeLengths,
    /// A link or slot leads out of the arena.
    Outside,
    /// An entry says that it stands elsewhere in the index: in another slot or bucket.
    Standings,
    /// The image is cut off.
    Cut,
}

impl Damage {
    /// All of them.
    pub const ALL: [Damage; 10] = [
        Damage::Anywhere,
        Damage::Links,
        Damage::Counts,
        Damage::Lengths,
        Damage::Cycles,
        Damage::Overlaps,
        Damage::HugeLengths,
        Damage::Outside,
        Damage::Standings,
        Damage::Cut,
    ];
}

/// An image that is being damaged, beside what it was, and numbers to choose by.
pub struct Damaging<'a> {
    pub sound: &'a [u8],
    pub info: &'a RegionInfo,
    pub image: &'a mut Vec<u8>,
    pub next: &'a mut dyn FnMut() -> u32,
}

impl Damaging<'_> {
    /// Does one damage of a kind.
    pub fn damage(&mut self, kind: Damage) {
        match kind {
            Damage::Anywhere => self.anywhere(),
            Damage::Links => {
                let (at, to) = (self.link(), self.block());
                self.put(at, to);
            }
            Damage::Counts => {
                let at = 4 * (COUNTS.start + self.below(COUNTS.len() as u32));
                let value = self.near(at);
                self.put(at, value);
            }
            Damage::Lengths => {
                let at = self.length();
                let value = self.near(at);
                self.put(at, value);
            }
            Damage::Cycles => self.cycle(),
            Damage::Overlaps => self.overlap(),
            Damage::HugeLengths => {
                let at = self.length();
                let flags = word(self.image, at) & !VALUE_LEN;
                let value = VALUE_LEN - self.below(3);
                self.put(at, flags | value);
            }
            Damage::Standings => {
                let (at, bits) = match self.below(2) {
                    0 => (VALUE_WORD, (1 + self.below(15)) << SLOT_SHIFT),
                    _ => (KEY_WORD, (1 + self.below(511)) << PLACE_SHIFT),
                };
                let at = self.entry() + at;
                self.put(at, word(self.image, at) ^ bits);
            }
            Damage::Outside => {
                let at = self.link();
                let to = match self.below(4) {
                    0 => u32::MAX - self.below(64),
                    1 => self.info.frontier + self.below(64),
                    2 => self.info.arena_start.wrapping_sub(1 + self.below(64)),
                    _ => (self.next)() | 1 << 16,
                };
                self.put(at, to);
            }
            Damage::Cut => {
                let len = self.below(self.image.len() as u32 + 1);
                self.image.truncate(len as usize);
            }
        }
    }

    fn anywhere(&mut self) {
        let at = self.below(self.image.len() as u32);
        if self.below(2) == 0 {
            let bit = 1 << self.below(8);
            if let Some(byte) = self.image.get_mut(at as usize) {
                *byte ^= bit;
            }
        } else {
            let value = (self.next)();
            self.put(at, value);
        }
    }

    /// An entry that is its own neighbour, or two that are each other's on both sides.
    fn cycle(&mut self) {
        let (one, other) = (self.entry(), self.entry());
        let other = [one, other][self.below(2) as usize];
        for link in LINKS {
            self.put(one + link, other);
            self.put(other + link, one);
        }
    }

    fn overlap(&mut self) {
        let by = 2 + 2 * self.below(30);
        let at = match self.below(3) {
            0 => self.length(),
            1 => FRONTIER,
            _ => self.link(),
        };
        let value = word(self.image, at).wrapping_add(by);
        self.put(at, value);
    }

    /// Where a link stands: in an entry, a pool, a slot of the index, the bins, or a free block.
    fn link(&mut self) -> u32 {
        match self.below(5) {
            0 => self.entry() + LINKS[self.below(2) as usize],
            1 => POOLS + self.below(NAMED_POOLS) * POOL_BYTES + LINKS[self.below(2) as usize],
            2 => self.slot(),
            3 => BIN_HEADS + 4 * self.below(BINS),
            _ => self.free_block() + 4 + 4 * self.below(2),
        }
    }

    /// Where a length stands: in an entry or a free block.
    fn length(&mut self) -> u32 {
        match self.below(3) {
            0 => self.entry() + VALUE_WORD,
            1 => self.entry() + KEY_WORD,
            _ => self.free_block(),
        }
    }

    /// A value that is near the one at a place.
    fn near(&mut self, at: u32) -> u32 {
        let value = word(self.image, at);
        let by = 1 + self.below(40);
        match self.below(4) {
            0 => value.wrapping_sub(by),
            1 => self.below(64),
            _ => value.wrapping_add(by),
        }
    }

    fn block(&mut self) -> u32 {
        match self.below(4) {
            0 => 0,
            1 => self.free_block(),
            _ => self.entry(),
        }
    }

    /// A slot of the index, one in use if that is found soon.
    fn slot(&mut self) -> u32 {
        let mut at = 0;
        for _ in 0..64 {
            let bucket = self.below(self.info.buckets);
            at = HEADER_BYTES + bucket * BUCKET_BYTES + SLOTS + 4 * self.below(SLOTS_OF_BUCKET);
            if word(self.sound, at) != 0 {
                break;
            }
        }
        at
    }

    /// The offset of an entry.
    fn entry(&mut self) -> u32 {
        let slot = self.slot();
        word(self.sound, slot).max(self.info.arena_start)
    }

    /// The offset of a free block that is in a bin.
    fn free_block(&mut self) -> u32 {
        let heads = (0..BINS).map(|bin| word(self.sound, BIN_HEADS + 4 * bin));
        let heads: Vec<u32> = heads.filter(|head| *head != 0).collect();
        match heads.len() {
            0 => self.info.arena_start,
            count => heads[self.below(count as u32) as usize],
        }
    }

    fn below(&mut self, bound: u32) -> u32 {
        (self.next)() % bound.max(1)
    }

    /// Writes a word, where the image is long enough.
    fn put(&mut self, at: u32, value: u32) {
        let place = self.image.get_mut(at as usize..);
        if let Some(place) = place.and_then(<[u8]>::first_chunk_mut) {
            *place = value.to_le_bytes();
        }
    }
}

/// The word at a place; 0 behind the end.
fn word(bytes: &[u8], at: u32) -> u32 {
    let word = bytes.get(at as usize..).and_then(<[u8]>::first_chunk);
    word.map_or(0, |word| u32::from_le_bytes(*word))
}

/// Makes the checksum of the contents right, where what the header says lies within the image.
pub fn sum_contents(image: &mut [u8]) {
    let [buckets, arena_start, frontier] =
        [BUCKETS, ARENA_START, FRONTIER].map(|at| word(image, at) as usize);
    let header = HEADER_BYTES as usize;
    let index_end = header.saturating_add(buckets.saturating_mul(BUCKET_BYTES as usize));
    let index = image.get(header..index_end.min(arena_start));
    if let (Some(index), Some(arena)) = (index, image.get(arena_start..frontier)) {
        let sum = xxh64(arena, xxh64(index, 0));
        image[CONTENTS_SUM..CONTENTS_SUM + 8].copy_from_slice(&sum.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Victim;
    use super::*;

    #[test]
    fn the_checksum_of_a_sound_image_is_the_one_it_has() {
        let victim = Victim::new(5_000);
        let mut image = victim.image().to_vec();
        image[CONTENTS_SUM] ^= 1;
        sum_contents(&mut image);
        assert_eq!(image, victim.image());
    }
}
