//! Making room: from free space, from growth, by evicting the oldest, or by clearing a window for a large value.

use super::space::Block;
use super::store::Store;

/// How many of the oldest entries are considered as the start of a window.
const WINDOW_CANDIDATES: u32 = 32;

impl Store {
    /// A block of this size, whatever must be evicted for it. It fits the arena. `None` if damage was found; the cache
    /// has started over then.
    ///
    /// Evicts the oldest entries until a free block is large enough. When they have given as many bytes as are asked
    /// for and those are still scattered, clears one contiguous window instead of evicting on: so an insert never
    /// evicts more than twice its bytes and one entry.
    pub fn reserve(&mut self, bytes: u32) -> Option<Block> {
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
        let mut evicted = 0;
        while evicted < bytes {
            evicted += self.evict_oldest()?;
            if let Some(block) = self.take(bytes) {
                return Some(block);
            }
        }
        self.clear_window(bytes)?;
        let block = self.take(bytes);
        if block.is_none() {
            self.start_over();
        }
        block
    }

    /// Evicts the oldest entries until those left take at most `bytes`.
    pub fn evict_to(&mut self, bytes: usize) -> usize {
        let mut evicted = 0;
        while self.region.header().pools[0].used_bytes as usize > bytes
            && self.evict_oldest().is_some()
        {
            evicted += 1;
        }
        evicted
    }

    /// Evicts an entry, and returns the bytes of its block, or `None` if damage was found; the cache has started over.
    pub fn evict(&mut self, at: u32) -> Option<u32> {
        let Some(hash) = self.hash_of(at) else {
            self.start_over();
            return None;
        };
        self.drop_entry(at, hash)
    }

    /// As [`evict`](Self::evict), for the oldest entry.
    fn evict_oldest(&mut self) -> Option<u32> {
        let bytes = self.evict(self.region.header().pools[0].oldest)?;
        let pool = &mut self.region.header_mut().pools[0];
        pool.evictions = pool.evictions.wrapping_add(1);
        Some(bytes)
    }

    /// Evicts neighbours until `bytes` contiguous bytes are free.
    fn clear_window(&mut self, bytes: u32) -> Option<()> {
        let mut at = self.window_start(bytes);
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

    /// Where the window begins: at the oldest entry that has enough of the arena above it, else at the arena's start.
    fn window_start(&self, bytes: u32) -> u32 {
        let mut at = self.region.header().pools[0].oldest;
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
