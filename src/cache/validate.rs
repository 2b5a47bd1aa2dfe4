//! A walk over the full state that names the first thing wrong.
//!
//! List, arena and index are each walked by themselves; since every entry of list and arena is then looked up in the
//! index, and the three counts agree, they hold the same entries.

use super::scope::{Pool, Scope};
use super::space::{bin_of, is_binned};
use super::store::Store;
use crate::region::{BINS, PoolInfo, WAYS};
use thiserror::Error;

/// The first thing that [`Cache::validate`](super::Cache::validate) finds wrong. Offsets are from the region's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CacheFault {
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

/// Sums over the arena's blocks.
#[derive(Default)]
struct Blocks {
    entries: u32,
    used_bytes: u32,
    free_bytes: u32,
    binned: u32,
}

pub fn validate(store: &Store) -> Result<(), CacheFault> {
    let header = store.region.header();
    let geometry = store.region.geometry();
    if !header.describes(geometry)
        || !geometry.admits([header.buckets, header.whole_buckets, header.group_mask])
        || header.stale_pages > geometry.first_pages()
    {
        return Err(CacheFault::Header);
    }
    let frontier = header.frontier;
    if !(geometry.arena_start..=store.region.capacity()).contains(&frontier) {
        return Err(CacheFault::Frontier { at: frontier });
    }
    let mut listed = PoolInfo::default();
    for pool in Pool::ALL {
        listed = listed.plus(check_list(store, pool)?);
    }
    let blocks = check_arena(store)?;
    check_bins(store, blocks.binned)?;
    let slots = check_index(store)?;
    sum(
        "bytes of entries' blocks",
        listed.used_bytes,
        blocks.used_bytes,
    )?;
    sum("entries in the arena", listed.entries, blocks.entries)?;
    sum("entries in the index", header.indexed, slots)?;
    sum("indexed entries", header.indexed, listed.entries)?;
    sum("free bytes", header.free_bytes, blocks.free_bytes)?;
    let stale = (0..header.stale_pages)
        .filter(|&page| store.region.page_is_stale(page))
        .count();
    sum(
        "index pages not cleared yet",
        header.stale_left,
        stale as u32,
    )
}

fn sum(what: &'static str, counted: u32, walked: u32) -> Result<(), CacheFault> {
    let (counted, walked) = (u64::from(counted), u64::from(walked));
    if counted == walked {
        Ok(())
    } else {
        Err(CacheFault::Sum {
            what,
            counted,
            walked,
        })
    }
}

/// Walks a pool's list from the newest entry, and returns the pool's account. As every entry must link back to the one
/// that led to it, none can be met twice. No more bytes are hashed than the arena has.
fn check_list(store: &Store, of: Pool) -> Result<PoolInfo, CacheFault> {
    let pool = store.region.header().pool(of.number());
    let (mut at, mut newer, mut walked, mut bytes) = (pool.newest, 0, 0u32, 0u32);
    let arena = store.region.geometry().arena_start;
    let arena_bytes = store.region.header().frontier.saturating_sub(arena);
    while at != 0 && walked < pool.entries {
        let entry = store
            .region
            .entry(at)
            .ok_or(CacheFault::EntryBounds { at })?;
        if at % 2 != 0 || entry.newer != newer {
            return Err(CacheFault::Link { at });
        }
        if entry.pool() != of.number() {
            return Err(CacheFault::Pool { at });
        }
        if store.key_value(at, entry).is_none() {
            return Err(CacheFault::EntryBounds { at });
        }
        bytes = bytes.saturating_add(entry.block_bytes());
        if bytes > arena_bytes {
            // Entries that overlap would have their keys hashed over and over.
            sum("bytes of listed entries", arena_bytes, bytes)?;
        }
        check_indexed(store, at)?;
        walked += 1;
        (newer, at) = (at, entry.older);
    }
    if at != 0 || walked != pool.entries || pool.oldest != newer {
        return Err(CacheFault::List {
            walked,
            counted: pool.entries,
        });
    }
    sum("bytes of listed entries", pool.used_bytes, bytes)?;
    if bytes > pool.quota_bytes {
        return Err(CacheFault::Quota { pool: of, bytes });
    }
    Ok(pool.info())
}

fn check_indexed(store: &Store, at: u32) -> Result<(), CacheFault> {
    let entry = store
        .region
        .entry(at)
        .ok_or(CacheFault::EntryBounds { at })?;
    let (key, _) = store
        .key_value(at, entry)
        .ok_or(CacheFault::EntryBounds { at })?;
    let scope = Scope::of(entry).ok_or(CacheFault::Pool { at })?;
    let hash = scope.hash(key);
    match store.find(scope, key, hash) {
        Some(found) if found.get() == at && store.hash_of(at) == Some(hash) => Ok(()),
        _ => Err(CacheFault::NotIndexed { at }),
    }
}

/// Walks the blocks from the arena's start to the frontier.
fn check_arena(store: &Store) -> Result<Blocks, CacheFault> {
    let frontier = store.region.header().frontier;
    let mut blocks = Blocks::default();
    let mut at = store.region.geometry().arena_start;
    let mut after_free = false;
    while at < frontier {
        let bytes = if let Some(free) = store.region.free(at) {
            let bytes = free.bytes();
            let end = at.wrapping_add(bytes);
            if after_free || bytes < 8 || end >= frontier || store.size_before(end) != bytes {
                return Err(CacheFault::FreeBlock { at });
            }
            blocks.free_bytes += bytes;
            blocks.binned += u32::from(is_binned(bytes));
            after_free = true;
            bytes
        } else {
            check_indexed(store, at)?;
            let entry = store
                .region
                .entry(at)
                .ok_or(CacheFault::EntryBounds { at })?;
            if entry.previous_free() != after_free {
                return Err(CacheFault::PreviousFree { at });
            }
            blocks.entries += 1;
            blocks.used_bytes += entry.block_bytes();
            after_free = false;
            entry.block_bytes()
        };
        at = at.checked_add(bytes).ok_or(CacheFault::Tiling { at })?;
    }
    if at == frontier {
        Ok(blocks)
    } else {
        Err(CacheFault::Tiling { at })
    }
}

/// Walks every bin; together they hold `expected` blocks.
fn check_bins(store: &Store, expected: u32) -> Result<(), CacheFault> {
    let header = store.region.header();
    let mut walked = 0;
    for bin in 0..BINS {
        let (mut at, mut previous) = (store.first_of(bin).unwrap_or(0), 0);
        if store.first_of(bin) == Some(0) {
            return Err(CacheFault::Bin { bin, at });
        }
        while at != 0 && walked <= expected {
            let free = store.region.free(at);
            let sound = free.filter(|free| {
                let bytes = free.bytes();
                let is_linked = at < header.frontier && free.previous == previous;
                is_linked && is_binned(bytes) && bin_of(bytes) == bin
            });
            let free = sound.ok_or(CacheFault::Bin { bin, at })?;
            walked += 1;
            (previous, at) = (at, free.next);
        }
    }
    for (number, word) in header.bin_map.iter().enumerate() {
        if (*word != 0) != (header.bin_summary & (1 << number) != 0) {
            return Err(CacheFault::Bin {
                bin: number * 32,
                at: 0,
            });
        }
    }
    sum("free blocks in bins", expected, walked)
}

/// Checks every bucket in use, and returns the number of occupied slots.
fn check_index(store: &Store) -> Result<u32, CacheFault> {
    let mut slots = 0;
    for number in 0..store.region.header().buckets {
        let bucket = store.region.bucket(number);
        for slot in (0..WAYS).map(|way| bucket.slot(way)) {
            if (slot.tag == 0) != (slot.offset == 0) {
                return Err(CacheFault::Bucket { bucket: number });
            }
            slots += u32::from(slot.tag != 0);
        }
    }
    Ok(slots)
}
