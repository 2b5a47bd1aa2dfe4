//! Making room: from free space, from growth, by evicting the oldest, or by clearing a window around them.
//!
//! Blocks that are evicted in order of use lie scattered, so a large enough one is found at once only if some are kept free. How
//! many bytes that takes is learnt: each entry that a window had to clear out of turn raises the reserve, and each insert lets
//! it sink a little. Entries that lie in the order in which they go need none.

use super::scope::Pool;
use super::space::{Block, SLACK_BYTES};
use super::store::Store;

/// How many of the oldest entries are considered as the start of a window.
const WINDOW_CANDIDATES: u32 = 32;
/// The reserve is raised by so many bytes for each byte that goes out of turn...
const RESERVE_GAIN: u32 = 64;
/// ...up to this part of the arena...
const RESERVE_PART: u32 = 32;
/// ...and loses this power of two of it with each insert.
const RESERVE_SHIFT: u32 = 11;
/// How many entries an insert evicts at most to come closer to the reserve.
const RESERVE_EVICTIONS: u32 = 2;

impl Store {
    /// A block of this size for a pool, whatever must be evicted for it. It fits the arena and the quota. `None` if
    /// damage was found; the cache has started over then.
    ///
    /// Evicts the pool's oldest entries, those of the fullest pool where it has none itself: two at most where free space is
    /// below the reserve, and, where no free block is large enough, as many neighbours of the oldest as give one.
    pub fn reserve(&mut self, bytes: u32, pool: usize) -> Option<Block> {
        self.keep_to_quota(bytes, pool)?;
        if self.reserved_bytes > 0 {
            self.keep_reserve(pool)?;
        }
        if let Some(block) = self.take(bytes) {
            return Some(block);
        }
        let header = self.region.header();
        let tail = self.region.capacity().saturating_sub(header.frontier);
        if self.region.grow(bytes.saturating_sub(tail)) {
            if let Some(block) = self.take_frontier(bytes) {
                return Some(block);
            }
        }
        self.clear_window(bytes, pool)
    }

    /// Evicts a few of a pool's oldest entries where less is free than the reserve, and lets the reserve sink.
    fn keep_reserve(&mut self, pool: usize) -> Option<()> {
        self.reserved_bytes -= self.reserved_bytes.div_ceil(1 << RESERVE_SHIFT);
        for _ in 0..RESERVE_EVICTIONS {
            if self.region.header().free_bytes >= self.reserved_bytes || self.is_empty() {
                break;
            }
            self.evict_oldest(self.giving_pool(pool))?;
        }
        Some(())
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

    /// Evicts an entry. `None` if damage was found; the cache has started over then.
    pub fn evict(&mut self, at: u32) -> Option<()> {
        let entry = self.region.entry(at).copied();
        self.drop_known(at, entry)
    }

    /// Evicts a pool's oldest entry. `None` if damage was found; the cache has started over then.
    fn evict_oldest(&mut self, pool: usize) -> Option<()> {
        let account = self.region.header_mut().pool_mut(pool);
        account.evictions = account.evictions.wrapping_add(1);
        let at = account.oldest;
        self.evict(at)
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
            if self.is_free(end) {
                let free = Block {
                    at: end,
                    bytes: self.free_size(end),
                };
                self.unbin(free);
                end = end.wrapping_add(free.bytes);
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
        let entry = self.region.entry(at).copied();
        let is_oldest = self.region.header().pool(pool).oldest == at;
        let block = self.detach(at, entry)?;
        let header = self.region.header_mut();
        if is_oldest {
            let pool = header.pool_mut(pool);
            pool.evictions = pool.evictions.wrapping_add(1);
        } else {
            header.window_evictions = header.window_evictions.wrapping_add(1);
            let gain = block.bytes.saturating_mul(RESERVE_GAIN);
            let most = self.arena_bytes() / RESERVE_PART;
            self.reserved_bytes = self.reserved_bytes.saturating_add(gain).min(most);
        }
        Some(block.bytes)
    }

    /// Where the window begins: at the pool's oldest entry that has enough of the arena above it, else at the arena's
    /// start. A free block there is part of it.
    fn window_start(&self, bytes: u32, pool: usize) -> u32 {
        let mut at = self.region.header().pool(pool).oldest;
        for _ in 0..WINDOW_CANDIDATES {
            let Some(entry) = self.region.entry(at) else {
                break;
            };
            let start = if entry.previous_free() {
                at.wrapping_sub(self.size_before(at))
            } else {
                at
            };
            if self.region.capacity().saturating_sub(start) >= bytes {
                return start;
            }
            at = entry.newer;
        }
        self.region.geometry().arena_start
    }
}
