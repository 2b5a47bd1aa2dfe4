//! What the metashrew surface keeps between calls: the cache, and the writes of the block at hand.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::debug::Debugging;
use super::host_interface::HostKey;
use super::image;
use super::logging::{Level, halt, line};
use super::lru_cache::{CacheAllocationMode, CacheStats};
use super::visible::Visible;
use super::working_set::{Answer, WorkingSet};
use crate::cache::{Cache, HashedKey, Lookup, Pool, Scope};
use crate::exclusive::Exclusive;
use crate::memory::platform::per_instance;
use crate::plan::Plan;
use crate::region::Region;
use crate::reserve;

/// What the pools that a mode does not serve may take, in bytes: a few small entries.
const TOKEN_QUOTA_BYTES: u32 = 1024;

per_instance! {
    static STATE: Exclusive<State> = Exclusive::new(State::new());
}

/// Runs `f` with the state. Nothing that it calls may come back here.
pub fn with<R>(f: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(f)
}

pub struct State {
    cache: Option<Cache>,
    /// What the block has written, and the large values that it has read.
    pub working_set: WorkingSet,
    mode: CacheAllocationMode,
    view_height: Option<u32>,
    /// The height in front of the last input, if it had one; `None` before the first input.
    input_height: Option<Option<u32>>,
    /// Whether the cache has been brought to the block of that input.
    is_begun: bool,
    /// The height of the block that the cache has been brought to.
    block_height: Option<u32>,
    /// What reads may see of the cache; `None` until the next use finds out.
    visible: Option<Visible>,
    /// The counters when they were last reset.
    counted_before: CacheStats,
    pub debugging: Debugging,
    /// Whether the log has been told of the cache's size, and of its memory.
    pub announced: [bool; 2],
    pub preallocated_allocator: bool,
}

impl State {
    const fn new() -> State {
        State {
            cache: None,
            working_set: WorkingSet::new(),
            mode: CacheAllocationMode::Indexer,
            view_height: None,
            input_height: None,
            is_begun: false,
            block_height: None,
            visible: None,
            counted_before: CacheStats {
                hits: 0,
                misses: 0,
                items: 0,
                memory_usage: 0,
                evictions: 0,
            },
            debugging: Debugging::new(),
            announced: [false; 2],
            preallocated_allocator: false,
        }
    }

    /// The cache, opened at first use and brought to the block at hand, unless a view is. Where the
    /// module has opened its one cache elsewhere, one that holds nothing.
    #[inline]
    pub fn cache(&mut self) -> &mut Cache {
        self.visible();
        self.opened()
    }

    /// The cache as it is, opened at first use.
    #[inline]
    fn opened(&mut self) -> &mut Cache {
        if self.cache.is_none() {
            self.open();
        }
        self.cache.get_or_insert_with(|| Cache::new(Region::none()))
    }

    #[cold]
    fn open(&mut self) {
        self.cache = Some(image::open().unwrap_or_else(|taken| {
            line(
                Level::Warning,
                format_args!("metashrew's functions run without a cache: {taken}"),
            );
            Cache::new(Region::none())
        }));
        let cache = self.opened();
        // An image tells which block its entries are as of.
        if cache.start().is_warm() {
            self.block_height = Some(cache.height());
        }
        self.divide();
    }

    pub fn is_open(&self) -> bool {
        self.cache.is_some()
    }

    pub fn mode(&self) -> CacheAllocationMode {
        self.mode
    }

    pub fn set_mode(&mut self, mode: CacheAllocationMode) {
        self.mode = mode;
        self.visible = None;
        self.working_set.forget_read();
        if self.is_open() {
            self.divide();
        }
    }

    /// Gives the region to the pools that the mode serves.
    fn divide(&mut self) {
        let mode = self.mode;
        let cache = self.opened();
        let half = cache.stats().max_arena_bytes / 2;
        let (main, others) = match mode {
            CacheAllocationMode::Indexer => (u32::MAX, TOKEN_QUOTA_BYTES),
            CacheAllocationMode::View => (TOKEN_QUOTA_BYTES, half),
        };
        cache.set_quota(Pool::Main, main);
        cache.set_quota(Pool::Views, others);
        cache.set_quota(Pool::Application, others);
    }

    /// Empties the cache and sets its statistics to zero.
    pub fn clear_cache(&mut self) {
        let counted = {
            let cache = self.cache();
            cache.clear();
            counters(cache)
        };
        self.visible = None;
        self.counted_before = counted;
    }

    /// The statistics since they were last reset.
    pub fn stats(&mut self) -> CacheStats {
        let now = counters(self.cache());
        let before = &self.counted_before;
        CacheStats {
            hits: now.hits.wrapping_sub(before.hits),
            misses: now.misses.wrapping_sub(before.misses),
            evictions: now.evictions.wrapping_sub(before.evictions),
            ..now
        }
    }

    /// The height that a view has set.
    pub fn view_height(&self) -> Option<u32> {
        self.view_height
    }

    /// Sets or ends a view's height. What was read at another height is forgotten.
    pub fn set_view_height(&mut self, height: Option<u32>) {
        self.view_height = height;
        self.visible = None;
        self.working_set.forget_read();
    }

    /// What reads may see of the cache. The first use after an input, which may have been a view's,
    /// brings the cache to the block at hand.
    #[inline]
    fn visible(&mut self) -> Visible {
        match self.visible {
            Some(visible) => visible,
            None => self.find_visible(),
        }
    }

    #[cold]
    fn find_visible(&mut self) -> Visible {
        let height = self.view_height.or(self.input_height.flatten());
        let is_view = self.is_view();
        let is_told = self.input_height.is_some();
        let cache = self.opened();
        let visible = if cache.is_read_only() {
            Visible::of_image(cache.height(), height)
        } else if is_view {
            match height {
                Some(height) if self.mode == CacheAllocationMode::View => Visible::View(height),
                _ => Visible::Nothing,
            }
        } else if cache.start().is_warm() && !is_told && !cache.is_empty() {
            // The image may be of another branch than the block, which nobody has told of yet.
            Visible::Nothing
        } else {
            if !is_told {
                // Whatever height comes next, it is one to which what is stored now may not belong.
                cache.set_height(u32::MAX);
            }
            self.bring_to_block();
            Visible::Main
        };
        self.visible = Some(visible);
        visible
    }

    /// Whether the cache is the indexer's own, and as of the block before the one at hand.
    fn is_indexing(&mut self) -> bool {
        self.visible() == Visible::Main && !self.opened().is_read_only()
    }

    /// The writes have been handed to the host: the cache is told of them, and is as of them.
    ///
    /// Not before: a write that no host has got must not be found by a later block. What views have
    /// read does not hold any more. In a view the host may take the writes or drop them, so the
    /// cache keeps nothing that could differ. What the block itself knows of them depends on
    /// what the program has said, never on what the cache held.
    pub fn flushed(&mut self) {
        let is_indexing = self.is_indexing();
        let mut working_set = core::mem::replace(&mut self.working_set, WorkingSet::new());
        working_set.forget_read();
        if self.is_view() {
            working_set.reset();
        } else {
            let cache = self.opened();
            working_set.flushed(|key, value| {
                if is_indexing {
                    let _ = cache.scope(Scope::Main).insert_hashed(key, value);
                }
            });
        }
        self.working_set = working_set;
        let cache = self.opened();
        if is_indexing {
            cache.evict_pool_to(Pool::Views, 0, usize::MAX);
            image::offer(cache);
        } else {
            cache.clear();
        }
    }

    /// Whether the program has said that it answers a view rather than index blocks.
    fn is_view(&self) -> bool {
        self.view_height.is_some() || matches!(self.mode, CacheAllocationMode::View)
    }

    /// The value of a key: from the writes at hand, from the cache, from the host.
    pub fn get(&mut self, key: &Arc<Vec<u8>>) -> Arc<Vec<u8>> {
        let hashed = HashedKey::new(key.as_slice());
        let is_cached = match self.working_set.answer(&hashed) {
            Answer::Own(value) => return value.clone(),
            Answer::CacheOrHost => true,
            Answer::HostAlone => false,
        };
        // If it takes heap for a long key, it does so whether the cache has the value or not.
        let host_key = HostKey::new(key);
        let visible = match self.visible() {
            visible if is_cached => visible,
            _ => Visible::Nothing,
        };
        // Told apart here, so that a lookup in the main pool is compiled for it.
        let (value, is_hit) = match (visible, self.opened()) {
            (Visible::Main, cache) => copied(
                cache
                    .scope(Scope::Main)
                    .get_or_fetch_hashed(&hashed, || fetched(&host_key)),
            ),
            (visible, cache) => copied(visible.read(cache, &hashed, || fetched(&host_key))),
        };
        // By what the program has said, not by what the host has: it takes heap.
        if !self.is_view() {
            self.debugging.track(key, is_hit);
        }
        let value = Arc::new(value);
        self.working_set.keep(key, &value, kept_bytes);
        value
    }

    /// Notes a write. A view's is seen by that view alone.
    pub fn set(&mut self, key: &Arc<Vec<u8>>, value: Arc<Vec<u8>>) {
        self.working_set.set(key, value);
    }

    /// Flushes none of the writes at hand. The block goes on to read them.
    pub fn reset(&mut self) {
        self.working_set.reset();
    }

    /// Forgets the block's values. Of what it has flushed, the host alone knows the value from then
    /// on.
    pub fn clear_values(&mut self) {
        self.working_set.clear();
    }

    /// Ends a view: forgets what it has read and written.
    pub fn end_view(&mut self) {
        if self.view_height.is_some() {
            self.working_set.forget_unflushed();
        }
        self.set_view_height(None);
    }

    /// Looks an entry up, and copies it out. Nothing while a newer value waits for its flush.
    pub fn look_up(&mut self, scope: Scope, key: &[u8]) -> Option<Arc<Vec<u8>>> {
        if scope == Scope::Main && self.working_set.is_queued(key) {
            return None;
        }
        let held = match self.main_in_view(scope) {
            Some(Visible::MainUpTo(height)) => self.opened().peek_up_to(key, height),
            Some(_) => None,
            None => self.cache().scope(scope).get(key),
        };
        held.map(|value| Arc::new(copy(value)))
    }

    /// Stores an entry. Where it does not fit, an older value does not stay either.
    pub fn store(&mut self, scope: Scope, key: &[u8], value: &[u8]) {
        self.working_set.forget_read();
        if self.main_in_view(scope).is_some() {
            if !self.is_before_input() {
                // It holds at the view's height, and the pool is as of another.
                self.opened().remove(key);
                return;
            }
            // It holds on the branch at hand, and the image may be of another.
            self.opened().clear();
            self.visible = None;
        }
        if scope == Scope::Main && !self.working_set.may_be_cached(key) {
            self.cache().remove(key);
            return;
        }
        let _ = self.cache().scope(scope).insert(key, value);
    }

    /// Whether no input has told yet which block or view this is.
    fn is_before_input(&mut self) -> bool {
        self.input_height.is_none() && !self.is_view() && !self.opened().is_read_only()
    }

    /// What is visible, if the scope is the main one and a view of another height sees less of it.
    /// In the views' own mode the main pool is the program's, unless it is an image's.
    fn main_in_view(&mut self, scope: Scope) -> Option<Visible> {
        let visible = self.visible();
        if scope != Scope::Main || visible == Visible::Main {
            return None;
        }
        let is_shown = self.mode == CacheAllocationMode::View && !self.opened().is_read_only();
        (!is_shown).then_some(visible)
    }

    /// Takes note that the host has handed in the input of a block or a view, at a height; `None`
    /// for an input without one. The cache is left alone: a view's height may be set before it
    /// is used.
    pub fn begin_block(&mut self, height: Option<u32>) {
        let may_be_same = height.is_some() && self.input_height == Some(height);
        self.working_set.begin_block(may_be_same);
        self.input_height = Some(height);
        self.is_begun = false;
        self.visible = None;
    }

    /// Brings the cache to the block at hand, whose host holds the state as of the block before.
    /// Where the cache is not as of that one, what could differ is dropped: what was written
    /// from this height on if the chain has been reorganised, everything if blocks are missing.
    fn bring_to_block(&mut self) {
        let Some(height) = self.input_height.filter(|_| !self.is_begun) else {
            return;
        };
        self.is_begun = true;
        let last = core::mem::replace(&mut self.block_height, height);
        let cache = self.opened();
        match (last, height) {
            // What was read before the first height was told has none.
            (None, _) => {
                cache.evict_pool_to(Pool::Main, 0, usize::MAX);
            }
            (Some(last), Some(height)) if last.checked_add(1) == Some(height) => {}
            (Some(last), Some(height)) if height > 0 && height <= last => {
                cache.invalidate_above(height - 1);
            }
            (Some(_), _) => cache.clear(),
        }
        cache.set_height(height.unwrap_or(0));
    }
}

/// The most bytes of large values that the block keeps of its reads: an eighth of what lies below
/// the region.
fn kept_bytes() -> usize {
    let (_, _, plan) = reserve::in_force();
    (Plan::read(plan).region_base().get() / 8) as usize
}

/// The value that the host holds. Apart from the lookup, so that a hit does not pay for it.
#[inline(never)]
fn fetched(key: &HostKey<'_>) -> Vec<u8> {
    key.read_with(buffer)
}

/// Every eviction is counted: of the oldest, for want of a slot, and for a large value.
fn counters(cache: &Cache) -> CacheStats {
    let stats = cache.stats();
    CacheStats {
        hits: stats.hits,
        misses: stats.misses,
        items: stats.entries as usize,
        memory_usage: stats.used_bytes as usize,
        evictions: stats.evictions + stats.displaced + stats.window_evictions,
    }
}

/// A value up to this many bytes is not worth a message of its own where the heap has no room for
/// it.
const SMALL_BYTES: usize = 64 << 10;

/// Room for exactly so many bytes. A hit and a miss both ask the heap here, so they also fail
/// alike.
#[inline]
fn buffer(bytes: usize) -> Vec<u8> {
    if bytes <= SMALL_BYTES {
        Vec::with_capacity(bytes)
    } else {
        large_buffer(bytes)
    }
}

#[cold]
fn large_buffer(bytes: usize) -> Vec<u8> {
    let mut value = Vec::new();
    if value.try_reserve_exact(bytes).is_err() {
        halt(format_args!(
            "there is no room on the heap for a value of {bytes} bytes; use a plan with a larger budget"
        ));
    }
    value
}

/// A value in a block of its own, and whether it was found in the cache.
#[inline]
fn copied(lookup: Lookup<'_, Vec<u8>>) -> (Vec<u8>, bool) {
    match lookup {
        Lookup::Hit(held) => (copy(held), true),
        Lookup::Miss(fetched) => (fetched, false),
    }
}

#[inline]
fn copy(bytes: &[u8]) -> Vec<u8> {
    let mut value = buffer(bytes.len());
    value.extend_from_slice(bytes);
    value
}
