//! Images that were damaged, by chance or by somebody who knows the format.

use super::{Spec, open_once, region_with_bytes};
use steadfast::cache::{Cache, Pool, Scope};
use steadfast::region::{HEADER_BYTES, RegionInfo, Status, inspect, vouch};

/// An image with entries of many sizes in every pool, free blocks and marks of overflow; what it must give is read from it
/// while it is sound.
#[derive(Debug)]
pub struct Victim {
    spec: Spec,
    image: Vec<u8>,
    info: RegionInfo,
    entries: Vec<(Scope, Vec<u8>, Vec<u8>)>,
}

/// What became of a damaged image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was refused.
    Cold,
    /// It was attached to, and gave what it must or nothing.
    Warm,
    /// It was attached to, and gave another value.
    Wrong,
}

impl Victim {
    /// A closed image of a region of so many bytes.
    ///
    /// # Panics
    ///
    /// The region is too small for a cache.
    #[must_use]
    pub fn new(capacity: u32) -> Victim {
        let spec = Spec {
            expected_entry: 60,
            ..Spec::fresh(capacity)
        };
        let (region, bytes) = region_with_bytes(&spec);
        let mut cache = Cache::open(region);
        for number in 0..capacity / 40 {
            let key = number.to_le_bytes();
            let scope = [Scope::Main, Scope::Api, Scope::View(number % 3)][number as usize % 3];
            cache.set_height(number);
            let value = vec![number as u8 | 1; number as usize % 90];
            let stored = cache.scope(scope).insert(&key, &value);
            stored.expect("it fits");
            if number % 5 == 0 {
                cache.remove(&(number / 2).to_le_bytes());
            }
        }
        let long = cache.insert(&[7; 100], b"a key that keeps its hash");
        long.expect("it fits");
        let all = Pool::ALL.into_iter().flat_map(|pool| cache.entries(pool));
        let entries = all.map(|(scope, key, value)| (scope, key.to_vec(), value.to_vec()));
        let entries = entries.collect();
        cache.close();
        let image = bytes.image();
        let info = inspect(&image).expect("it was just made");
        Victim {
            spec,
            image,
            info,
            entries,
        }
    }

    /// The image.
    #[must_use]
    pub fn image(&self) -> &[u8] {
        &self.image
    }

    /// The same with another status; but for closed ones, only the header is covered then, or nothing.
    #[must_use]
    pub fn with(&self, status: Status) -> Vec<u8> {
        let mut image = self.image.clone();
        vouch(&mut image, status).expect("it has a header");
        image
    }

    /// The bits of the image that belong to a value, as byte and mask.
    #[must_use]
    pub fn value_bits(&self) -> Vec<(usize, u8)> {
        open_once(&self.spec, &self.image, |cache, bytes| {
            let all = Pool::ALL.into_iter().flat_map(|pool| cache.entries(pool));
            let places = all.flat_map(|(_, _, value)| bytes.place_of(value));
            places
                .flat_map(|at| (0..8).map(move |bit| (at, 1 << bit)))
                .collect()
        })
    }

    /// Attaches to what is left of the image, reads every entry, and uses the cache for a while. That this ends, without a
    /// panic, is the first thing that is tested.
    #[must_use]
    pub fn fate(&self, damaged: &[u8]) -> Fate {
        open_once(&self.spec, damaged, |cache, _| {
            if !cache.start().is_warm() {
                return Fate::Cold;
            }
            let mut fate = Fate::Warm;
            for (scope, key, value) in &self.entries {
                let found = cache.scope(*scope).peek(key);
                if found.is_some_and(|found| found != value) {
                    fate = Fate::Wrong;
                }
            }
            self.exercise(cache);
            fate
        })
    }

    fn exercise(&self, cache: &mut Cache) {
        let _ = cache.validate();
        for pool in Pool::ALL {
            let most = self.spec.capacity as usize;
            assert!(cache.entries(pool).count() <= most, "the walk is bounded");
        }
        for (number, (scope, key, _)) in self.entries.iter().take(24).enumerate() {
            let _ = cache.scope(*scope).get(key);
            let _ = cache.insert(&[number as u8; 9], &vec![0; number * 37 % 400]);
            let _ = cache
                .scope(*scope)
                .get_or_load(key, number, |place| place.fill(1));
            if number % 3 == 0 {
                cache.scope(*scope).remove(key);
            }
        }
        let _ = cache.invalidate_above_in_steps(3, 5);
        let _ = cache.get(&self.entries[0].1);
        let _ = cache.set_quota(Pool::Api, 500);
        let _ = cache.evict_to(300);
        let _ = cache.invalidate_above(1);
        cache.clear();
        // A quota may have been changed too.
        let _ = cache.insert(b"after", b"all");
    }

    /// Damages an image as the next numbers say: bits, bytes and words anywhere, and links, counts, lengths and sizes where
    /// the format has them; or cuts it off.
    pub fn mutate(&self, image: &mut Vec<u8>, mut next: impl FnMut() -> u32) {
        for _ in 0..=next() % 4 {
            let len = image.len() as u32;
            if len < HEADER_BYTES {
                return;
            }
            let value = self.value(len, &mut next);
            let at = match next() % 8 {
                // A word of the header, of the index, of the arena.
                0 => next() % (HEADER_BYTES / 4) * 4,
                1 => HEADER_BYTES + next() % (self.info.index_bytes / 4) * 4,
                2 | 3 => {
                    self.info.arena_start
                        + next() % len.saturating_sub(self.info.arena_start).max(1)
                }
                // A field of an entry's header.
                4 | 5 => self.some_entry(&mut next) + next() % 5 * 4,
                6 => next() % len,
                _ if next().is_multiple_of(8) => {
                    image.truncate((next() % len) as usize);
                    continue;
                }
                _ => {
                    let at = (next() % len) as usize;
                    image[at] ^= 1 << (next() % 8);
                    continue;
                }
            };
            if let Some(word) = image
                .get_mut(at as usize..)
                .and_then(<[u8]>::first_chunk_mut)
            {
                *word = value.to_le_bytes();
            }
        }
    }

    /// Offsets, sizes and lengths that may be taken for sound ones, and such that may not.
    fn value(&self, len: u32, next: &mut impl FnMut() -> u32) -> u32 {
        match next() % 8 {
            0 => 0,
            1 => u32::MAX - next() % 3,
            2 => len + next() % 64,
            3 => self.info.arena_start.wrapping_sub(next() % 40),
            4 => next() % 64,
            5 => (1 << 29) - 1,
            6 => self.some_entry(next),
            _ => next(),
        }
    }

    /// The offset of an entry, from the slots of the index.
    fn some_entry(&self, next: &mut impl FnMut() -> u32) -> u32 {
        let first = HEADER_BYTES + 16;
        for _ in 0..64 {
            let bucket = next() % self.info.buckets.max(1);
            let at = (first + bucket * 64 + next() % 12 * 4) as usize;
            let word = self.image[at..]
                .first_chunk()
                .map(|word| u32::from_le_bytes(*word));
            if let Some(offset @ 1..) = word {
                return offset;
            }
        }
        self.info.arena_start
    }
}

/// Counts of the fates of many images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Refused.
    pub cold: u64,
    /// Attached to, and right.
    pub warm: u64,
    /// Attached to, and wrong.
    pub wrong: u64,
}

impl Fates {
    /// Counts one.
    pub fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Cold => self.cold += 1,
            Fate::Warm => self.warm += 1,
            Fate::Wrong => self.wrong += 1,
        }
    }
}

/// Mutates images so many times, each status in turn, and tells what became of those that kept their checksum, and of
/// those with no checksum, or one that was made right again.
///
/// # Panics
///
/// When anything panics, or an image that kept its checksum gives a wrong value.
#[must_use]
pub fn soak(seed: u64, count: u64) -> [Fates; 2] {
    let victim = Victim::new(6_000);
    let mut noise = super::noise(seed);
    let mut next = || u32::from_le_bytes(std::array::from_fn(|_| noise.next().unwrap_or(0)));
    let mut fates = [Fates::default(); 2];
    for number in 0..count {
        let mut image = victim.image.clone();
        victim.mutate(&mut image, &mut next);
        let again = [
            None,
            Some(Status::Open),
            Some(Status::Sealed),
            Some(Status::Shared),
        ];
        let status = again[(number % 4) as usize];
        if let Some(status) = status {
            // What is shorter than a header has no status to set.
            let _ = vouch(&mut image, status);
        }
        let fate = victim.fate(&image);
        let covered = status.is_none();
        assert!(
            !(covered && fate == Fate::Wrong),
            "seed {seed}, number {number}"
        );
        fates[usize::from(!covered)].count(fate);
    }
    fates
}
