//! Making room: from free space, from growth, by evicting the oldest, or by clearing a window for a large value.

use super::scope::Pool;
use super::space::{Block, SLACK_BYTES};
use super::store::Store;

/// How many of the oldest entries are considered as the start of a window.
const WINDOW_CANDIDATES: u32 = 32;

impl Store {
    /// A block of this size for a pool, whatever must be evicted for it. It fits the arena and the quota. `None` if
    /// damage was found; the cache has started over then.
    ///
    /// Evicts the pool's oldest entries until its quota has room and a free block is large enough; those of the fullest
    /// pool where it has none itself. When they have given as many bytes as are asked for and those are still
    /// scattered, clears one contiguous window instead of evicting on: so an insert never evicts more than twice its
    /// bytes and one entry.
    pub fn reserve(&mut self, bytes: u32, pool: usize) -> Option<Block> {
        let mut evicted = self.keep_to_quota(bytes, pool)?;
        if let Some(block) = self.take(bytes) {
            return Some(block);
        }
        let tail = self
            .region
            .capacity()
            .saturating_sub(self.region.header().frontier);
        if self.region.grow(bytes.saturating_sub(tail)) {
            if let Some(block) = self.take_frontier(bytes) {
                return Some(block);
            }
        }
        while evicted < bytes {
            let oldest = self.detach_oldest(self.giving_pool(pool))?;
            evicted += oldest.bytes;
            // Nothing was large enough before: only what this one's space has become part of can be.
            if let Some(block) = self.exchange(oldest, bytes) {
                return Some(block);
            }
        }
        self.clear_window(bytes, self.giving_pool(pool))?;
        let block = self.take(bytes);
        if block.is_none() {
            self.start_over();
        }
        block
    }

    /// Evicts a pool's oldest entries until it may take so many bytes more. Returns the bytes that they gave.
    fn keep_to_quota(&mut self, bytes: u32, pool: usize) -> Option<u32> {
        let mut evicted = 0;
        if let Some(quota) = self.quota(pool) {
            let left = quota.saturating_sub(bytes).saturating_sub(SLACK_BYTES);
            while self.region.header().pool(pool).used_bytes > left {
                evicted += self.evict_oldest(pool)?;
            }
        }
        Some(evicted)
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
        let hash = self.hash_or_start_over(at)?;
        self.drop_entry(at, hash)
    }

    fn hash_or_start_over(&mut self, at: u32) -> Option<u64> {
        let hash = self.hash_of(at);
        if hash.is_none() {
            self.start_over();
        }
        hash
    }

    /// Evicts a pool's oldest entry but for its block, which is to be released. `None` if damage was found; the cache has started over then.
    fn detach_oldest(&mut self, pool: usize) -> Option<Block> {
        let at = self.region.header().pool(pool).oldest;
        let hash = self.hash_or_start_over(at)?;
        let block = self.detach(at, hash)?;
        let pool = self.region.header_mut().pool_mut(pool);
        pool.evictions = pool.evictions.wrapping_add(1);
        Some(block)
    }

    /// Evicts a pool's oldest entry, and returns the bytes of its block. `None` if damage was found; the cache has started over then.
    fn evict_oldest(&mut self, pool: usize) -> Option<u32> {
        let block = self.detach_oldest(pool)?;
        self.release(block);
        Some(block.bytes)
    }

    /// Evicts neighbours until `bytes` contiguous bytes are free.
    fn clear_window(&mut self, bytes: u32, pool: usize) -> Option<()> {
        let mut at = self.window_start(bytes, pool);
        // Every step passes a block of at least four bytes, and two free ones are never side by side.
        let steps = bytes / 4 + 2;
        for _ in 0..steps {
            if at >= self.region.header().frontier {
                return Some(());
            }
            if self.is_free(at) {
                at = at.wrapping_add(self.free_size(at));
                continue;
            }
            let Some(hash) = self.hash_of(at) else { break };
            let Some(entry) = self.region.entry(at) else {
                break;
            };
            let start = if entry.previous_free() {
                at.wrapping_sub(self.size_before(at))
            } else {
                at
            };
            self.drop_entry(at, hash)?;
            let header = self.region.header_mut();
            header.window_evictions = header.window_evictions.wrapping_add(1);
            let cleared = if start >= header.frontier {
                self.region.capacity().wrapping_sub(start)
            } else {
                self.free_size(start)
            };
            if cleared >= bytes {
                return Some(());
            }
            at = start.wrapping_add(cleared);
        }
        self.start_over();
        None
    }

    /// Where the window begins: at the pool's oldest entry that has enough of the arena above it, else at the arena's
    /// start.
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
                return at;
            }
            at = entry.newer;
        }
        self.region.geometry().arena_start
    }
}
