//! What a walk over the full state finds wrong.

use super::scope::Pool;
use thiserror::Error;

/// The first thing that [`Cache::validate`](super::Cache::validate) finds wrong. Offsets are from
/// the region's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CacheError {
    /// Identity or geometry in the header is not what was written.
    #[error("the header does not describe this region")]
    Header,
    /// The frontier is outside the arena.
    #[error("the frontier, {at}, is outside the arena")]
    Frontier {
        /// Its offset.
        at: u32,
    },
    /// An entry, or its key or value, is not within the arena.
    #[error("the entry at {at} is not within the arena")]
    EntryBounds {
        /// Its offset.
        at: u32,
    },
    /// An entry's link to the newer one is not the way back of the link that led to it.
    #[error("the entry at {at} does not link back to the newer one")]
    Link {
        /// Its offset.
        at: u32,
    },
    /// An entry says that it is in a pool in whose list it is not.
    #[error("the entry at {at} is in another pool's list")]
    Pool {
        /// Its offset.
        at: u32,
    },
    /// A pool takes more than its quota.
    #[error("the pool {pool:?} takes {bytes} bytes, more than its quota")]
    Quota {
        /// The pool.
        pool: Pool,
        /// What it takes.
        bytes: u32,
    },
    /// The list does not end at the oldest entry, or has more or fewer entries than counted.
    #[error(
        "the recency list has {walked} entries where {counted} are counted, or does not end at the oldest"
    )]
    List {
        /// Entries that the walk met.
        walked: u32,
        /// Entries in the header.
        counted: u32,
    },
    /// The index does not lead to an entry.
    #[error("the index does not lead to the entry at {at}")]
    NotIndexed {
        /// Its offset.
        at: u32,
    },
    /// The arena's blocks do not end where the frontier is.
    #[error("the blocks of the arena do not meet at {at}")]
    Tiling {
        /// Where the walk stopped.
        at: u32,
    },
    /// A free block's two sizes differ, or it touches another or the frontier.
    #[error("the free block at {at} is malformed, or touches another")]
    FreeBlock {
        /// Its offset.
        at: u32,
    },
    /// An entry is wrong about whether the block before it is free.
    #[error("the entry at {at} is wrong about the block before it")]
    PreviousFree {
        /// Its offset.
        at: u32,
    },
    /// A bin's list is broken, or holds a block of another size.
    #[error("bin {bin} is broken at {at}")]
    Bin {
        /// Its number.
        bin: usize,
        /// The block at which it is seen.
        at: u32,
    },
    /// A bucket has a tag without an entry, or the other way round.
    #[error("bucket {bucket} of the index is malformed")]
    Bucket {
        /// Its number.
        bucket: u32,
    },
    /// A sum in the header differs from what the walk counted.
    #[error("the header counts {counted} {what}, the walk found {walked}")]
    Sum {
        /// What is counted.
        what: &'static str,
        /// In the header.
        counted: u64,
        /// By the walk.
        walked: u64,
    },
}

impl CacheError {
    /// Nothing where the header counts what a walk found.
    pub(super) fn unless_equal(
        what: &'static str,
        counted: u32,
        walked: u32,
    ) -> Result<(), CacheError> {
        let (counted, walked) = (u64::from(counted), u64::from(walked));
        if counted == walked {
            return Ok(());
        }
        Err(CacheError::Sum {
            what,
            counted,
            walked,
        })
    }
}
