//! A number of live blocks, of which a random one is replaced again and again.

use super::numbers::Numbers;
use super::raw::{Block, mix};

/// 8 B to 64 KiB, as many in each octave; 10,000 live.
pub fn wide() -> u64 {
    churn(10_000, 30_000, |numbers| {
        let octave = 8 << numbers.below(13);
        octave + numbers.below(octave)
    })
}

/// 16 to 256 B; 100,000 live.
pub fn small() -> u64 {
    churn(100_000, 200_000, |numbers| 16 + numbers.below(241))
}

fn churn(live: usize, turns: usize, size: impl Fn(&mut Numbers) -> usize) -> u64 {
    let mut numbers = Numbers::new(0x5eed);
    let mut sum = 0;
    let mut blocks: Vec<Block> = (0..live)
        .map(|at| Block::new(size(&mut numbers), at as u64))
        .collect();
    for turn in 0..turns {
        let at = numbers.below(live);
        let new = Block::new(size(&mut numbers), turn as u64);
        sum = mix(sum, std::mem::replace(&mut blocks[at], new).take());
    }
    blocks
        .into_iter()
        .fold(sum, |sum, block| mix(sum, block.take()))
}
