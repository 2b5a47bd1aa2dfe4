//! What one size left is used by the next.

use super::numbers::Numbers;
use super::raw::{Block, mix};

/// 400,000 blocks of 48 bytes, every other one freed; then half as many of 120 bytes; then all
/// freed.
pub fn every_other() -> u64 {
    let mut sum = 0;
    let mut kept = Vec::with_capacity(200_000);
    let mut gone = Vec::with_capacity(200_000);
    for at in 0..200_000 {
        gone.push(Block::new(48, at));
        kept.push(Block::new(48, at));
    }
    for block in gone {
        sum = mix(sum, block.take());
    }
    let larger: Vec<Block> = (0..200_000).map(|at| Block::new(120, at)).collect();
    kept.into_iter()
        .chain(larger)
        .fold(sum, |sum, block| mix(sum, block.take()))
}

/// Eight phases of eight megabytes each in sizes of their own, freed in random order; an eighth of
/// the blocks outlives the next phase.
pub fn shifting() -> u64 {
    const BYTES: usize = 8 << 20;
    let mut numbers = Numbers::new(0xfa5e);
    let mut sum = 0;
    let mut older: Vec<Block> = Vec::new();
    for base in [24, 3000, 56, 600, 120, 9000, 250, 1200] {
        let mut blocks = Vec::new();
        let mut bytes = 0;
        while bytes < BYTES {
            let size = base + numbers.below(base / 4);
            bytes += size;
            blocks.push(Block::new(size, bytes as u64));
        }
        for at in (1..blocks.len()).rev() {
            blocks.swap(at, numbers.below(at + 1));
        }
        let kept = blocks.split_off(blocks.len() - blocks.len() / 8);
        sum = blocks
            .into_iter()
            .fold(sum, |sum, block| mix(sum, block.take()));
        sum = older
            .into_iter()
            .fold(sum, |sum, block| mix(sum, block.take()));
        older = kept;
    }
    older
        .into_iter()
        .fold(sum, |sum, block| mix(sum, block.take()))
}
