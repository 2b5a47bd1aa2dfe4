//! Making room: from free space, from growth, by evicting the oldest, or by clearing a window around them.
//!
//! Blocks that are evicted in order of use lie scattered, so a large enough one is found at once only if some are kept free. How
//! many bytes that takes is learnt: each entry that a window had to clear out of turn raises the reserve, and each insert lets
//! it sink a little. Entries that lie in the order in which they go need none.

use super::scope::Pool;
use super::space::{Block, SLACK_BYTES};
use super::store::{Detached, Store};

/// How many of the oldest entries are considered as the start of a window...
const WINDOW_CANDIDATES: u32 = 8;
/// ...unless so many entries have been seen that would have to go with them.
const WINDOW_LOOKS: u32 = 256;
/// The reserve is raised by so many bytes for each byte that goes out of turn...
const RESERVE_GAIN: u32 = 64;
/// ...up to this part of the arena...
const RESERVE_PART: u32 = 32;
/// ...and loses this power of two of it with each insert.
const RESERVE_SHIFT: u32 = 11;

impl Store {
    /// A block of this size for a pool, whatever must be evicted for it. It fits the arena and the quota. `None` if
    /// damage was found; the cache has started over then.
    ///
    /// Where free space is below the reserve, or has no block that is large enough, the pool's oldest entry is evicted, or the fullest
    /// pool's where it has none itself; and where that gives no such block, as many neighbours of one of the oldest as do.
    pub fn reserve(&mut self, bytes: u32, pool: usize) -> Option<Block> {
        self.keep_to_quota(bytes, pool)?;
        self.reserved_bytes -= self.reserved_bytes.div_ceil(1 << RESERVE_SHIFT);
        let is_short = self.region.header().free_bytes < self.reserved_bytes;
        let free = if is_short {
            self.take_frontier(bytes)
        } else {
            self.take(bytes)
        };
        if let Some(block) = free.or_else(|| self.take_growth(bytes)) {
            return Some(block);
        }
        let pool = self.giving_pool(pool);
        let gone = self.detach_oldest(pool)?;
        if let Some(free) = self.join(gone.block, gone.follows_free) {
            if self.is_to_be_cut(free, bytes, pool) {
                return Some(self.carve(free, bytes));
            }
            self.bin(free);
        }
        match self.take(bytes) {
            Some(block) => Some(block),
            None => self.clear_window(bytes, pool),
        }
    }

    /// Whether a block that an eviction has freed serves the insert at once, without a search for one that fits better. While
    /// free space is below the reserve it does not, or large blocks would be cut up for small entries; unless nothing is left over, or the
    /// next entry to go stands behind it, whose block will be joined with the rest.
    fn is_to_be_cut(&self, free: Block, bytes: u32, pool: usize) -> bool {
        let header = self.region.header();
        let free_bytes = header.free_bytes.saturating_add(free.bytes);
        free.bytes >= bytes
            && (free_bytes >= self.reserved_bytes
                || free.bytes <= bytes.saturating_add(SLACK_BYTES)
                || free.at.wrapping_add(free.bytes) == header.pool(pool).oldest)
    }

    /// Takes a block from the frontier, once the region has grown for it.
    fn take_growth(&mut self, bytes: u32) -> Option<Block> {
        let tail = self
            .region
            .capacity()
            .saturating_sub(self.region.header().frontier);
        if self.region.grow(bytes.saturating_sub(tail)) {
            return self.take_frontier(bytes);
        }
        None
    }

    /// Evicts a pool's oldest entries until it may take so many bytes more.
    fn keep_to_quota(&mut self, bytes: u32, pool: usize) -> Option<()> {
        if let Some(quota) = self.quota(pool) {
            let left = quota.saturating_sub(bytes).saturating_sub(SLACK_BYTES);
            while self.region.header().pool(pool).used_bytes > left {
                self.evict_oldest(pool)?;
            }
        }
        Some(())
    }

    /// The pool itself if it has entries, else the one that takes most.
    fn giving_pool(&self, pool: usize) -> usize {
        let header = self.region.header();
        if header.pool(pool).entries > 0 {
            return pool;
        }
        let numbers = Pool::ALL.map(Pool::number).into_iter();
        let fullest = numbers.max_by_key(|&number| header.pool(number).used_bytes);
        fullest.unwrap_or(pool)
    }

    /// Evicts a pool's oldest entries, at most `steps` of them, until those left take at most `bytes`.
    pub fn evict_to(&mut self, pool: usize, bytes: usize, steps: usize) -> usize {
        let mut evicted = 0;
        while evicted < steps
            && self.region.header().pool(pool).used_bytes as usize > bytes
            && self.evict_oldest(pool).is_some()
        {
            evicted += 1;
        }
        evicted
    }

    /// Evicts a pool's oldest entry. `None` if damage was found; the cache has started over then.
    fn evict_oldest(&mut self, pool: usize) -> Option<()> {
        let gone = self.detach_oldest(pool)?;
        self.release(gone.block, gone.follows_free);
        Some(())
    }

    /// Evicts a pool's oldest entry but for its block.
    fn detach_oldest(&mut self, pool: usize) -> Option<Detached> {
        let account = self.region.header_mut().pool_mut(pool);
        account.evictions = account.evictions.wrapping_add(1);
        let at = account.oldest;
        self.detach(at)
    }

    /// Evicts the oldest entry of the pool that gives, and neighbours, until so many contiguous bytes are free; takes them.
    /// `None` if damage was found; the cache has started over then.
    fn clear_window(&mut self, bytes: u32, pool: usize) -> Option<Block> {
        let pool = self.giving_pool(pool);
        let start = self.window_start(bytes, pool);
        let mut end = start;
        // Every step passes a block of at least eight bytes, or the one that the window begins with.
        let steps = bytes / 8 + 2;
        for _ in 0..steps {
            let frontier = self.region.header().frontier;
            if end >= frontier {
                self.region.header_mut().frontier = start;
                return self.take_frontier(bytes).or_else(|| self.give_up());
            }
            let cleared = Block {
                at: start,
                bytes: end.wrapping_sub(start),
            };
            if let Some(free) = self.region.free(end) {
                end = end.wrapping_add(self.unbin(end, free).bytes);
            } else if cleared.bytes >= bytes {
                return Some(self.carve(cleared, bytes));
            } else {
                end = end.wrapping_add(self.evict_neighbour(end, pool)?);
            }
        }
        self.give_up()
    }

    /// Evicts an entry of the window but for its block, whose size it returns. Only one that is not this pool's oldest counts as
    /// cleared for a window, and raises the reserve.
    fn evict_neighbour(&mut self, at: u32, pool: usize) -> Option<u32> {
        let is_oldest = self.region.header().pool(pool).oldest == at;
        let bytes = self.detach(at)?.block.bytes;
        let header = self.region.header_mut();
        if is_oldest {
            let pool = header.pool_mut(pool);
            pool.evictions = pool.evictions.wrapping_add(1);
        } else {
            header.window_evictions = header.window_evictions.wrapping_add(1);
            let gain = bytes.saturating_mul(RESERVE_GAIN);
            let most = self.arena_bytes() / RESERVE_PART;
            self.reserved_bytes = self.reserved_bytes.saturating_add(gain).min(most);
        }
        Some(bytes)
    }

    /// Where the window begins: of the pool's oldest entries, at that one which has enough of the arena above it and takes the fewest
    /// others with it. A free block before it is part of the window. At the arena's start where there is none.
    fn window_start(&self, bytes: u32, pool: usize) -> u32 {
        let mut at = self.region.header().pool(pool).oldest;
        let mut start = self.region.geometry().arena_start;
        let mut fewest = u32::MAX;
        let mut looks = WINDOW_LOOKS;
        for _ in 0..WINDOW_CANDIDATES {
            let Some(entry) = self.region.entry(at) else {
                break;
            };
            let mut from = at;
            if entry.previous_free() {
                from = at.wrapping_sub(self.size_before(at));
            }
            if self.region.capacity().saturating_sub(from) >= bytes {
                let entries = self.entries_in_window(from, at, bytes, fewest.min(looks));
                if entries < fewest {
                    (start, fewest) = (from, entries);
                }
                looks = looks.saturating_sub(entries);
                if fewest <= 1 || looks == 0 {
                    break;
                }
            }
            at = entry.newer;
        }
        start
    }

    /// How many entries stand in a window from one offset on, of which the first stands at another; at most so many are counted.
    fn entries_in_window(&self, start: u32, first: u32, bytes: u32, most: u32) -> u32 {
        let frontier = self.region.header().frontier;
        let mut end = first;
        let mut entries = 0;
        while entries < most && end < frontier {
            if let Some(free) = self.region.free(end) {
                end = end.wrapping_add(free.bytes());
            }
            if end.wrapping_sub(start) >= bytes {
                break;
            }
            let Some(entry) = self.region.entry(end) else {
                break;
            };
            entries += 1;
            end = end.wrapping_add(entry.block_bytes());
        }
        entries
    }
}
