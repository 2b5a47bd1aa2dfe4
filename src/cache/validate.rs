//! A walk over the full state that names the first thing wrong.
//!
//! List, arena and index are each walked by themselves. Every entry of list and arena is then
//! looked up in the index, and the three counts agree, so they hold the same entries.

use super::contents::Contents;
use super::free_list::FreeSizes;
use super::invalid::CacheError;
use super::recency::Recency;
use super::scope::{Pool, Scope};
use crate::region::{EntryHeader, PoolInfo};

/// Sums over the arena's blocks.
#[derive(Default)]
struct Blocks {
    entries: u32,
    used_bytes: u32,
    free: FreeSizes,
}

pub fn validate(contents: &Contents) -> Result<(), CacheError> {
    let region = &contents.region;
    let header = region.header();
    let geometry = region.geometry();
    if !header.describes(geometry)
        || !geometry.admits([header.buckets, header.whole_buckets, header.group_mask])
        || header.stale_pages > geometry.first_pages()
    {
        return Err(CacheError::Header);
    }
    let frontier = header.frontier;
    if !(geometry.arena_start..=region.capacity()).contains(&frontier) {
        return Err(CacheError::Frontier { at: frontier });
    }
    let mut listed = PoolInfo::default();
    for pool in Pool::ALL {
        listed = listed.plus(check_list(contents, pool)?);
    }
    let blocks = check_arena(contents)?;
    contents.free_list().validate(&blocks.free)?;
    let occupied = contents.index().validate()?;
    let equal = CacheError::unless_equal;
    equal(
        "bytes of entries' blocks",
        listed.used_bytes,
        blocks.used_bytes,
    )?;
    equal("entries in the arena", listed.entries, blocks.entries)?;
    equal("entries in the index", header.indexed, occupied)?;
    equal("indexed entries", header.indexed, listed.entries)?;
    let stale = (0..header.stale_pages)
        .filter(|&page| region.page_is_stale(page))
        .count();
    equal(
        "index pages not cleared yet",
        header.stale_left,
        stale as u32,
    )
}

/// Walks a pool's list, and returns the pool's account. No more bytes are hashed than the arena
/// has.
fn check_list(contents: &Contents, of: Pool) -> Result<PoolInfo, CacheError> {
    let header = contents.region.header();
    let arena = contents.region.geometry().arena_start;
    let arena_bytes = header.frontier.saturating_sub(arena);
    let mut bytes = 0_u32;
    Recency(&contents.region).validate(of, |at, entry| {
        if contents.key_value(at, entry).is_none() {
            return Err(CacheError::EntryBounds { at });
        }
        bytes = bytes.saturating_add(entry.block_bytes());
        if bytes > arena_bytes {
            // Entries that overlap would have their keys hashed over and over.
            CacheError::unless_equal("bytes of listed entries", arena_bytes, bytes)?;
        }
        check_entry(contents, at, entry)
    })?;
    let pool = header.pool(of.number());
    CacheError::unless_equal("bytes of listed entries", pool.used_bytes, bytes)?;
    if bytes > pool.quota_bytes {
        return Err(CacheError::Quota { pool: of, bytes });
    }
    Ok(pool.info())
}

fn check_entry(contents: &Contents, at: u32, entry: &EntryHeader) -> Result<(), CacheError> {
    let key_value = contents.key_value(at, entry);
    let (key, _) = key_value.ok_or(CacheError::EntryBounds { at })?;
    let scope = Scope::of(entry).ok_or(CacheError::Pool { at })?;
    contents.index().check_entry(at, scope, key)
}

/// Walks the blocks from the arena's start to the frontier.
fn check_arena(contents: &Contents) -> Result<Blocks, CacheError> {
    let region = &contents.region;
    let frontier = region.header().frontier;
    let mut blocks = Blocks::default();
    let mut at = region.geometry().arena_start;
    let mut after_free = false;
    while at < frontier {
        let bytes = if let Some(checked) = contents.free_list().check_block(at) {
            let bytes = checked?;
            if after_free || bytes >= region.free_bound() {
                return Err(CacheError::FreeBlock { at });
            }
            blocks.free.add(bytes);
            after_free = true;
            bytes
        } else {
            let entry = region.entry(at).ok_or(CacheError::EntryBounds { at })?;
            check_entry(contents, at, entry)?;
            if entry.previous_free() != after_free {
                return Err(CacheError::PreviousFree { at });
            }
            blocks.entries += 1;
            blocks.used_bytes += entry.block_bytes();
            after_free = false;
            entry.block_bytes()
        };
        at = at.checked_add(bytes).ok_or(CacheError::Tiling { at })?;
    }
    if at == frontier {
        Ok(blocks)
    } else {
        Err(CacheError::Tiling { at })
    }
}
