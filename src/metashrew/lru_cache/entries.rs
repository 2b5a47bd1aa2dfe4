//! Reading and writing entries. What is read is copied out.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::cache::Scope;
use crate::metashrew::state;

/// What the main pool holds for a key. Counts a hit or a miss. A view finds what
/// [it may see](crate::metashrew#views), except in
/// [`CacheAllocationMode::View`](super::CacheAllocationMode::View).
///
/// Whether there is something depends on the host's memory, and so does the heap afterwards: what
/// is found is copied out. [`get`](crate::metashrew::get) is the function whose answer does not.
pub fn get_lru_cache(key: &Arc<Vec<u8>>) -> Option<Arc<Vec<u8>>> {
    state::with(|state| {
        let value = state.look_up(Scope::Main, key);
        state.debugging.track(key, value.is_some());
        value
    })
}

/// Stores an entry in the main pool, in place of any with this key. Evicts what it must; what
/// cannot fit is not stored. Nor is what a view of another height than the pool's stores: the entry
/// with this key is dropped.
///
/// [`get`](crate::metashrew::get) answers it: it must be what the host holds, or what has been
/// flushed. While another value of the key waits for its [`flush`](crate::metashrew::flush),
/// nothing is stored.
pub fn set_lru_cache(key: Arc<Vec<u8>>, value: Arc<Vec<u8>>) {
    state::with(|state| state.store(Scope::Main, &key, &value));
}

/// Stores an entry of the application's own, in place of any with this key. Evicts what it must;
/// what cannot fit is not stored.
///
/// The pool is large in [`CacheAllocationMode::View`](super::CacheAllocationMode::View), and a few
/// small entries in the other mode.
pub fn api_cache_set(key: String, value: Arc<Vec<u8>>) {
    state::with(|state| state.store(Scope::Application, key.as_bytes(), &value));
}

/// The application's entry with this key. Counts a hit or a miss.
///
/// Whether there is something depends on the host's memory, and so does the heap afterwards.
pub fn api_cache_get(key: &str) -> Option<Arc<Vec<u8>>> {
    state::with(|state| state.look_up(Scope::Application, key.as_bytes()))
}

/// Drops the application's entry with this key, and returns its value.
///
/// Whether there is something depends on the host's memory, and so does the heap afterwards.
pub fn api_cache_remove(key: &str) -> Option<Arc<Vec<u8>>> {
    state::with(|state| {
        let scoped = state.cache().scope(Scope::Application);
        let value = scoped.peek(key.as_bytes())?.to_vec();
        state
            .cache()
            .scope(Scope::Application)
            .remove(key.as_bytes());
        Some(Arc::new(value))
    })
}

/// What is held for a key at a view's height. Counts a hit or a miss. Other heights' entries are
/// never seen.
///
/// Whether there is something depends on the host's memory, and so does the heap afterwards.
pub fn get_height_partitioned_cache(height: u32, key: &Arc<Vec<u8>>) -> Option<Arc<Vec<u8>>> {
    state::with(|state| state.look_up(Scope::View(height), key))
}

/// Stores an entry for views at a height, in place of any with this key there. Evicts what it must;
/// what cannot fit is not stored. The next flush drops it.
///
/// The pool is large in [`CacheAllocationMode::View`](super::CacheAllocationMode::View), and a few
/// small entries in the other mode.
pub fn set_height_partitioned_cache(height: u32, key: Arc<Vec<u8>>, value: Arc<Vec<u8>>) {
    state::with(|state| state.store(Scope::View(height), &key, &value));
}
