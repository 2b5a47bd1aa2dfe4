//! Making room: from free space, from growth, by evicting the oldest, or by clearing a window
//! around them.
//!
//! Evicting in order of use leaves scattered holes, so a large enough block is found at once only
//! if some space is kept free. The amount adapts: each entry that a window clears out of turn
//! raises it, and each insert lowers it a little. Entries that lie in the order in which they go
//! need none.

use super::contents::{Contents, Detached};
use super::free_list::ArenaBlock;
use super::scope::Pool;
use crate::region::{LEAST_FREE_BYTES, SLACK_BYTES};

/// How many of the oldest entries are considered as the start of a window: of one below this size,
/// by the first block and what is free before it...
const WINDOW_CANDIDATES: u32 = 5;
const WINDOW_LARGE_BYTES: u32 = 448;
/// ...and of a larger one by two entries and what is free between and behind them, and by one more
/// for so many bytes...
const WINDOW_LOOK_BYTES: u32 = 64;
/// ...but by no more than these.
const WINDOW_LOOKS: u32 = 65;
/// The reserve is raised by this many bytes for each byte that goes out of turn...
const RESERVE_GAIN: u32 = 256;
/// ...up to this part of the arena...
const RESERVE_PART: u32 = 32;
/// ...and loses this power of two of it with each insert.
const RESERVE_SHIFT: u32 = 11;

/// What makes room in the arena, and what it has learnt about it.
#[derive(Debug, Default)]
pub struct Evictor {
    /// What inserts keep free below the frontier, so that blocks are found.
    reserved_bytes: u32,
}

impl Evictor {
    /// A block of this size for a pool, whatever must be evicted for it. It fits the arena and the
    /// quota. `None` if damage was found; the cache has started over then.
    ///
    /// Where free space is below the reserve, or has no block that is large enough, the pool's
    /// oldest entry is evicted, or the fullest pool's where it has none itself. Where that
    /// gives no such block, as many neighbours of one of the oldest as do.
    pub fn make_room(
        &mut self,
        contents: &mut Contents,
        bytes: u32,
        pool: usize,
    ) -> Option<ArenaBlock> {
        keep_to_quota(contents, bytes, pool)?;
        // Rounded up. It is far from overflowing: a part of the arena.
        let rounded = self.reserved_bytes.wrapping_add((1 << RESERVE_SHIFT) - 1);
        self.reserved_bytes -= rounded >> RESERVE_SHIFT;
        let is_short = contents.region.header().free_bytes < self.reserved_bytes;
        let free = if is_short {
            contents.free_list_mut().take_frontier(bytes)
        } else {
            contents.free_list_mut().take(bytes)
        };
        if let Some(block) = free.or_else(|| take_growth(contents, bytes)) {
            return Some(block);
        }
        let giver = giving_pool(contents, pool);
        let gone = detach_oldest(contents, giver)?;
        let joined = contents
            .free_list_mut()
            .coalesce(gone.block, gone.follows_free);
        if let Some(free) = joined {
            if self.is_to_be_cut(contents, free, bytes, giver) {
                return Some(contents.free_list_mut().split_evicted(free, bytes));
            }
            contents.free_list_mut().push(free);
        }
        // Where all free blocks have been looked at, one that is too small changes nothing.
        let found = match joined {
            Some(free) if free.bytes < bytes && !is_short => None,
            _ => contents.free_list_mut().take(bytes),
        };
        match found {
            Some(block) => Some(block),
            None => self.clear_window(contents, bytes, giver),
        }
    }

    /// Forgets what it has learnt.
    pub fn clear(&mut self) {
        *self = Evictor::default();
    }

    /// Whether a block that an eviction has freed serves the insert at once, without a search for
    /// one that fits better. While free space is below the reserve it does not, or large blocks
    /// would be cut up for small entries; unless the next entry to go stands behind it, whose block
    /// will be joined with the rest, or nothing is left over.
    fn is_to_be_cut(&self, contents: &Contents, free: ArenaBlock, bytes: u32, pool: usize) -> bool {
        let header = contents.region.header();
        let free_bytes = header.free_bytes.wrapping_add(free.bytes);
        free.bytes >= bytes
            && (free.end() == header.pool(pool).oldest
                || free_bytes >= self.reserved_bytes
                || free.bytes <= bytes.saturating_add(SLACK_BYTES))
    }

    /// Evicts the oldest entry of the pool that gives, and neighbours, until so many contiguous
    /// bytes are free; takes them. `None` if damage was found; the cache has started over then.
    fn clear_window(
        &mut self,
        contents: &mut Contents,
        bytes: u32,
        pool: usize,
    ) -> Option<ArenaBlock> {
        // The one that gave the last entry may have no more.
        let giver = giving_pool(contents, pool);
        let start = window_start(contents, bytes, giver);
        let mut window = ArenaBlock {
            at: start,
            bytes: 0,
        };
        let mut cleared = Cleared::default();
        // Every step passes a block of at least this size, or the one that the window begins with.
        let steps = bytes / LEAST_FREE_BYTES + 2;
        for _ in 0..steps {
            let end = window.end();
            if end >= contents.region.header().frontier {
                self.learn(contents, cleared, giver);
                contents.region.header_mut().frontier = start;
                let block = contents.free_list_mut().take_frontier(bytes);
                return block.or_else(|| contents.give_up());
            }
            if let Some(free) = contents.region.free(end) {
                let free = contents.free_list_mut().unlink(end, free);
                window.bytes = window.bytes.wrapping_add(free.bytes);
            } else if window.bytes >= bytes {
                self.learn(contents, cleared, giver);
                return Some(contents.free_list_mut().split(window, bytes));
            } else {
                let is_oldest = contents.region.header().pool(giver).oldest == end;
                let gone = contents.detach(end)?.block.bytes;
                cleared.note(is_oldest, gone);
                window.bytes = window.bytes.wrapping_add(gone);
            }
        }
        contents.give_up()
    }

    /// Counts what a window has cleared. Only what went out of turn raises the reserve.
    fn learn(&mut self, contents: &mut Contents, cleared: Cleared, giver: usize) {
        let most = contents.arena_bytes() / RESERVE_PART;
        let gain = cleared.bytes_out_of_turn.saturating_mul(RESERVE_GAIN);
        self.reserved_bytes = self.reserved_bytes.saturating_add(gain).min(most);
        let header = contents.region.header_mut();
        header.window_evictions = header.window_evictions.wrapping_add(cleared.out_of_turn);
        let pool = header.pool_mut(giver);
        pool.evictions = pool.evictions.wrapping_add(cleared.in_turn);
    }
}

/// The entries that a window has taken.
#[derive(Clone, Copy, Default)]
struct Cleared {
    /// Those that were their pool's oldest.
    in_turn: u64,
    out_of_turn: u64,
    bytes_out_of_turn: u32,
}

impl Cleared {
    fn note(&mut self, is_oldest: bool, bytes: u32) {
        if is_oldest {
            self.in_turn += 1;
        } else {
            self.out_of_turn += 1;
            self.bytes_out_of_turn = self.bytes_out_of_turn.saturating_add(bytes);
        }
    }
}

/// What a pool's blocks may take together, if that is less than the arena may come to: it may grow
/// while room is made.
pub fn quota(contents: &Contents, pool: usize) -> Option<u32> {
    let quota = contents.region.header().pool(pool).quota_bytes;
    (quota < contents.max_arena_bytes()).then_some(quota)
}

/// Evicts a pool's oldest entries, at most `steps` of them, until those left take at most `bytes`.
pub fn evict_to(contents: &mut Contents, pool: usize, bytes: usize, steps: usize) -> usize {
    let mut evicted = 0;
    while evicted < steps
        && contents.region.header().pool(pool).used_bytes as usize > bytes
        && evict_oldest(contents, pool).is_some()
    {
        evicted += 1;
    }
    evicted
}

/// Takes a block from the frontier, once the region has grown for it.
fn take_growth(contents: &mut Contents, bytes: u32) -> Option<ArenaBlock> {
    let frontier = contents.region.header().frontier;
    let tail = contents.region.capacity().saturating_sub(frontier);
    if contents.region.grow(bytes.saturating_sub(tail)) {
        return contents.free_list_mut().take_frontier(bytes);
    }
    None
}

/// Evicts a pool's oldest entries until it may take this many bytes more.
fn keep_to_quota(contents: &mut Contents, bytes: u32, pool: usize) -> Option<()> {
    if let Some(quota) = quota(contents, pool) {
        let left = quota.saturating_sub(bytes).saturating_sub(SLACK_BYTES);
        while contents.region.header().pool(pool).used_bytes > left {
            evict_oldest(contents, pool)?;
        }
    }
    Some(())
}

/// The pool itself if it has entries, else the one that takes most.
fn giving_pool(contents: &Contents, pool: usize) -> usize {
    let header = contents.region.header();
    if header.pool(pool).entries > 0 {
        return pool;
    }
    let numbers = Pool::ALL.map(Pool::number).into_iter();
    let fullest = numbers.max_by_key(|&number| header.pool(number).used_bytes);
    fullest.unwrap_or(pool)
}

/// Evicts a pool's oldest entry. `None` if damage was found; the cache has started over then.
fn evict_oldest(contents: &mut Contents, pool: usize) -> Option<()> {
    let gone = detach_oldest(contents, pool)?;
    contents.release(gone);
    Some(())
}

/// Evicts a pool's oldest entry but for its block.
fn detach_oldest(contents: &mut Contents, pool: usize) -> Option<Detached> {
    let account = contents.region.header_mut().pool_mut(pool);
    account.evictions = account.evictions.wrapping_add(1);
    let at = account.oldest;
    contents.detach(at)
}

/// Where the window begins: of the pool's oldest entries, at the one that has enough of the arena
/// above it and whose first blocks clear most. At the arena's start where there is none.
fn window_start(contents: &Contents, bytes: u32, pool: usize) -> u32 {
    let region = &contents.region;
    let larger_by = bytes.checked_sub(WINDOW_LARGE_BYTES);
    let looks = larger_by.map_or(1, |bytes| 2 + bytes / WINDOW_LOOK_BYTES);
    let looks = looks.min(WINDOW_LOOKS);
    let mut at = region.header().pool(pool).oldest;
    let mut start = region.geometry().arena_start;
    let mut most = 0;
    for _ in 0..WINDOW_CANDIDATES {
        let Some(entry) = region.entry(at) else {
            break;
        };
        let mut from = at;
        if entry.previous_free() {
            from = at.wrapping_sub(contents.free_list().size_before(at));
        }
        let cleared = match looks {
            1 => at.wrapping_sub(from).wrapping_add(entry.block_bytes()),
            _ => cleared_by(contents, from, at, bytes, looks),
        };
        if cleared > most && region.capacity().saturating_sub(from) >= bytes {
            (start, most) = (from, cleared);
            if most >= bytes.saturating_add(looks - 1) {
                break;
            }
        }
        at = entry.newer;
    }
    start
}

/// How many bytes a window has that begins at `start`, and whose first entry stands at `first`,
/// with so many entries and the free blocks between and behind them. Where it comes to `bytes`
/// sooner, it has more by one for each entry that it does not take.
fn cleared_by(contents: &Contents, start: u32, first: u32, bytes: u32, mut looks: u32) -> u32 {
    let region = &contents.region;
    let mut end = first;
    while let Some(entry) = region.entry(end) {
        looks -= 1;
        end = end.wrapping_add(entry.block_bytes());
        if end >= region.header().frontier {
            end = region.capacity();
            break;
        }
        if let Some(free) = region.free(end) {
            end = end.wrapping_add(free.bytes());
        }
        if looks == 0 || end.wrapping_sub(start) >= bytes {
            break;
        }
    }
    let cleared = end.wrapping_sub(start);
    if cleared >= bytes {
        bytes.saturating_add(looks)
    } else {
        cleared
    }
}

#[cfg(test)]
mod tests {
    use super::{Contents, Evictor};
    use crate::cache::reading::Reading;
    use crate::cache::scope::Scope;
    use crate::region::{BLOCK_ALIGN, ENTRY_HEADER_BYTES, EntryHeader, RegionView};

    /// A full arena with entries `a`, `b`, and so on, whose blocks have these sizes and stand in
    /// this order. The last of all takes the rest.
    fn full(blocks: &[u32]) -> Contents {
        let mut contents = Contents {
            region: RegionView::bare(3_000),
            reading: Reading::Plain,
        };
        let taken: u32 = blocks.iter().sum();
        let rest = contents.arena_bytes() - taken;
        let rest = rest - rest % BLOCK_ALIGN;
        for (key, bytes) in (b'a'..).zip(blocks.iter().copied().chain([rest])) {
            let block = contents.free_list_mut().take(bytes).expect("there is room");
            let value_len = (bytes - ENTRY_HEADER_BYTES - 1) as usize;
            let hash = Scope::Main.hash(&[key]);
            let entry = EntryHeader::new(1, value_len, 0, 0, 0);
            *contents.region.entry_mut(block.at).expect("in the arena") = entry;
            let place = contents.region.bytes_mut(block.at + ENTRY_HEADER_BYTES, 1);
            place.expect("in the arena")[0] = key;
            let home = contents.index().home(hash);
            let entered = contents.enter(block, 0, home, u32::MAX);
            entered.expect("the region is sound");
        }
        contents
    }

    fn place_of(contents: &Contents, key: u8) -> u32 {
        let index = contents.index();
        let mut home = index.home(Scope::Main.hash(&[key]));
        let found = index.find(Scope::Main, &[key], &mut home);
        found.expect("it is held").get()
    }

    /// With `c` free and `b` used, makes room for 60 bytes. Says which of the places of `a`, the
    /// oldest, and `c` serves.
    fn served(a: u32, reserved_bytes: u32) -> u8 {
        let mut contents = full(&[a, 40, 60, 40]);
        let [a, b, c] = [b'a', b'b', b'c'].map(|key| place_of(&contents, key));
        contents.drop_entry(c).expect("the region is sound");
        contents.promote(b, 0);
        let mut evictor = Evictor { reserved_bytes };
        let block = evictor.make_room(&mut contents, 60, 0).expect("it fits");
        match block.at {
            at if at == a => b'a',
            at if at == c => b'c',
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_block_that_an_eviction_frees_is_cut_if_that_keeps_the_reserve_or_leaves_nothing_over() {
        // 60 bytes are free, and more once the oldest is gone. A call takes one byte off the
        // reserve.
        assert_eq!(served(80, 61), b'c', "nothing is short");
        assert_eq!(served(80, 62), b'a', "the reserve is kept");
        assert_eq!(served(80, 141), b'a', "the reserve is just kept");
        assert_eq!(served(80, 142), b'c', "the reserve is not kept");
        assert_eq!(served(66, 1_000), b'a', "six bytes over are nothing");
        assert_eq!(served(68, 1_000), b'c', "eight are something");
    }
}
