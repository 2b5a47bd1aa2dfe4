//! Blocks of 32 bytes.

use std::hint::black_box;

use super::raw::{Block, mix};

/// One block taken and given back at a time.
pub fn hot() -> u64 {
    (0..100_000).fold(0, |sum, turn| {
        mix(sum, black_box(Block::new(32, turn)).take())
    })
}

/// 200,000 blocks, then all given back in the order in which they were taken.
pub fn in_order() -> u64 {
    let blocks: Vec<Block> = (0..200_000).map(|at| Block::new(32, at)).collect();
    blocks
        .into_iter()
        .fold(0, |sum, block| mix(sum, block.take()))
}
