//! Chance: a cache that loses entries, so that a host can try the program that uses it.
//!
//! An entry may be gone whenever it is asked for: the host granted less, or the image was refused.
//! A program that stores the same when any entry vanishes between any two operations stores the
//! same at every capacity, cold or warm.

use core::num::NonZeroU32;

use super::scope::Pool;
use crate::region::RegionView;

/// How often an entry is forgotten, in 256ths, by the seed's last three bits.
const CHANCES: [u32; 8] = [64, 64, 16, 128, 64, 4, 64, 160];

/// How many of a pool's newest entries are in danger while another one is used.
const NEWEST: u32 = 8;

/// What is forgotten next. The same seed and operations give the same.
#[derive(Clone, Copy, Debug)]
pub struct Forgetting {
    state: u64,
    chance: u32,
}

impl Forgetting {
    /// What a seed gives; nothing for 0.
    pub fn seeded(seed: u32) -> Option<Forgetting> {
        (seed != 0).then(|| Forgetting {
            state: u64::from(seed),
            chance: CHANCES[(seed % 8) as usize],
        })
    }

    /// A number below `bound`, by xorshift64*. Its state never becomes 0.
    fn below(&mut self, bound: u32) -> u32 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        ((number * u64::from(bound)) >> 32) as u32
    }

    /// Whether something is lost now.
    pub fn happens(&mut self) -> bool {
        self.below(256) < self.chance
    }

    /// An entry that is lost now: one of the newest of some pool, but not the one at `kept`.
    pub fn beside(&mut self, region: &RegionView, kept: u32) -> Option<NonZeroU32> {
        if !self.happens() {
            return None;
        }
        let pool = Pool::ALL[self.below(Pool::ALL.len() as u32) as usize];
        let steps = self.below(NEWEST);
        let mut at = NonZeroU32::new(region.header().pool(pool.number()).newest)?;
        for _ in 0..steps {
            let Some(older) = NonZeroU32::new(region.entry(at.get())?.older) else {
                break;
            };
            at = older;
        }
        (at.get() != kept).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A seed is a case that somebody may want to see again.
    #[test]
    fn the_numbers_of_a_seed_are_those_of_xorshift64_star() {
        let mut numbers = Forgetting::seeded(1).unwrap();
        let bounds = [u32::MAX, 256, 1000, 8, 3, 256];
        let expected = [1_206_177_354, 171, 725, 2, 0, 200];
        assert_eq!(bounds.map(|bound| numbers.below(bound)), expected);
        assert!(Forgetting::seeded(0).is_none());
    }

    #[test]
    fn what_happens_has_the_chance_of_the_seed() {
        for (seed, chance) in (1..).zip([64, 16, 128, 64, 4, 64, 160, 64]) {
            let mut forgetting = Forgetting::seeded(seed).unwrap();
            for _ in 0..if cfg!(miri) { 4 } else { 2_560 } {
                let expected = { forgetting }.below(256) < chance;
                assert_eq!(forgetting.happens(), expected, "{seed}");
            }
        }
    }
}
