//! Images that were damaged, by chance or by somebody who knows the format.

use super::damage::{Damage, Damaging, sum_contents};
use super::memory::free;
use super::{Spec, open_once, region_with_bytes};
use steadfast::cache::{Cache, Pool, Scope};
use steadfast::region::{RegionInfo, Status, seal};

/// An image with entries of many sizes in every pool, free blocks and marks of overflow; what it
/// must give is read from it while it is sound.
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
    AttachError,
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
            let scope =
                [Scope::Main, Scope::Application, Scope::View(number % 3)][number as usize % 3];
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
        free(bytes);
        let info = RegionInfo::read(&image).expect("it was just made");
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

    /// The same with another status; but for closed ones, only the header is covered then, or
    /// nothing.
    #[must_use]
    pub fn with(&self, status: Status) -> Vec<u8> {
        let mut image = self.image.clone();
        seal(&mut image, status).expect("it has a header");
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

    /// Attaches to what is left of the image, reads every entry, and uses the cache for a while.
    /// That this ends, without a panic, is the first thing that is tested.
    #[must_use]
    pub fn fate(&self, damaged: &[u8]) -> Fate {
        open_once(&self.spec, damaged, |cache, _| {
            if !cache.start().is_warm() {
                return Fate::AttachError;
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
            let len = number * 41 % 600;
            let _ = cache.scope(*scope).get_or_load(key, len, |place| {
                assert_eq!(place, vec![0; len], "as many zeros as were asked for");
                place.fill(1);
            });
            if number % 3 == 0 {
                cache.scope(*scope).remove(key);
            }
        }
        let _ = cache.invalidate_above_in_steps(3, 5);
        let _ = cache.get(&self.entries[0].1);
        let _ = cache.set_quota(Pool::Application, 500);
        let _ = cache.evict_to(300);
        let _ = cache.invalidate_above(1);
        cache.clear();
        // A quota may have been changed too.
        let _ = cache.insert(b"after", b"all");
    }

    /// Does one to four damages to an image, each of a kind, as the next numbers say.
    pub fn mutate(&self, image: &mut Vec<u8>, mut next: impl FnMut() -> u32) {
        for _ in 0..=next() % 4 {
            let kind = Damage::ALL[next() as usize % Damage::ALL.len()];
            self.damage(kind, image, &mut next);
        }
    }

    /// Whether a damaged image has lost nothing that counts: what stands between index and arena is
    /// neither kept nor covered.
    #[must_use]
    pub fn is_whole(&self, damaged: &[u8]) -> bool {
        let mut parts = self.info.image_parts().into_iter();
        parts.all(|part| {
            let part = part.start as usize..part.end as usize;
            damaged.get(part.clone()) == Some(&self.image[part])
        })
    }

    /// A copy of the image with one to four damages of a kind.
    #[must_use]
    pub fn damaged(&self, kind: Damage, next: &mut dyn FnMut() -> u32) -> Vec<u8> {
        let mut image = self.image.clone();
        for _ in 0..=next() % 4 {
            self.damage(kind, &mut image, next);
        }
        image
    }

    /// What becomes of a closed image that a host verifies, as it does before it seals one.
    fn fate_once_sealed(&self, mut damaged: Vec<u8>) -> Fate {
        let is_refused = self.fate(&damaged) == Fate::AttachError;
        if is_refused || seal(&mut damaged, Status::Sealed).is_err() {
            return Fate::AttachError;
        }
        self.fate(&damaged)
    }

    /// Does one damage.
    fn damage(&self, kind: Damage, image: &mut Vec<u8>, next: &mut dyn FnMut() -> u32) {
        Damaging {
            sound: &self.image,
            info: &self.info,
            image,
            next,
        }
        .damage(kind);
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
            Fate::AttachError => self.cold += 1,
            Fate::Warm => self.warm += 1,
            Fate::Wrong => self.wrong += 1,
        }
    }
}

/// What covers a damaged image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// The checksums that it had when it was sound.
    Kept,
    /// The same, and a host verified them and sealed what held.
    Verified,
    /// Both checksums, forged: made right again by somebody who knows how.
    Recomputed,
    /// None: it says that it is open.
    None,
    /// The header's, forged: it says that a host has sealed it.
    Sealed,
    /// The same, and that others have the same memory.
    Shared,
}

impl Cover {
    /// All of them.
    pub const ALL: [Cover; 6] = [
        Cover::Kept,
        Cover::Verified,
        Cover::Recomputed,
        Cover::None,
        Cover::Sealed,
        Cover::Shared,
    ];

    /// Whether it tells every damage.
    #[must_use]
    pub fn tells_all(self) -> bool {
        matches!(self, Cover::Kept | Cover::Verified)
    }

    /// Covers an image. What is shorter than a header is left as it is.
    pub fn apply(self, image: &mut [u8]) {
        let status = match self {
            Cover::Kept | Cover::Verified => return,
            Cover::Recomputed => {
                sum_contents(image);
                Status::Closed
            }
            Cover::None => Status::Open,
            Cover::Sealed => Status::Sealed,
            Cover::Shared => Status::Shared,
        };
        let _ = seal(image, status);
    }
}

/// Mutates images so many times, each with one to four damages of a kind, and tells what became of
/// them.
///
/// # Panics
///
/// When anything panics, or a cover that tells every damage does not tell one, or refuses an image
/// that is whole.
#[must_use]
pub fn soak(seed: u64, count: u64, kind: Damage, cover: Cover) -> Fates {
    let victim = Victim::new(6_000);
    let mut noise = super::noise(seed);
    let mut next = || u32::from_le_bytes(std::array::from_fn(|_| noise.next().unwrap_or(0)));
    let mut fates = Fates::default();
    for number in 0..count {
        let mut image = victim.damaged(kind, &mut next);
        let expected = match victim.is_whole(&image) {
            true => Fate::Warm,
            false => Fate::AttachError,
        };
        cover.apply(&mut image);
        let fate = match cover {
            Cover::Verified => victim.fate_once_sealed(image),
            _ => victim.fate(&image),
        };
        assert!(
            !cover.tells_all() || fate == expected,
            "{kind:?}, {cover:?}, seed {seed}, number {number}: {fate:?}, not {expected:?}"
        );
        fates.count(fate);
    }
    fates
}
