//! Which entries are asked for, in which order: the same for everyone.

use std::collections::HashSet;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Zipf};

/// A stream of entries' numbers.
pub enum Numbers {
    /// One after the other.
    Sequence(u32),
    /// Each of so many as often as another.
    Uniform(ChaCha8Rng, u32),
    /// By Zipf's law, the first most often.
    Zipf(ChaCha8Rng, Zipf<f64>),
}

impl Numbers {
    /// Each of `count` as often as another.
    pub fn uniform(count: u32) -> Self {
        Numbers::Uniform(ChaCha8Rng::seed_from_u64(1), count)
    }

    /// By Zipf's law with exponent .99, over `count`.
    pub fn zipf(count: u32) -> Self {
        let law = Zipf::new(f64::from(count), 0.99).expect("the parameters are valid");
        Numbers::Zipf(ChaCha8Rng::seed_from_u64(2), law)
    }

    /// The next ones.
    pub fn take(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.draw()).collect()
    }

    /// What the next `draws` leave in a cache of `distinct` entries, least recently used first.
    pub fn residue(&mut self, draws: usize, distinct: usize) -> Vec<u32> {
        let drawn = self.take(draws);
        let mut seen = HashSet::new();
        let mut latest: Vec<u32> = drawn
            .into_iter()
            .rev()
            .filter(|number| seen.insert(*number))
            .take(distinct)
            .collect();
        latest.reverse();
        latest
    }

    fn draw(&mut self) -> u32 {
        match self {
            Numbers::Sequence(next) => {
                *next += 1;
                *next - 1
            }
            Numbers::Uniform(random, count) => random.random_range(0..*count),
            Numbers::Zipf(random, law) => law.sample(random) as u32 - 1,
        }
    }
}
