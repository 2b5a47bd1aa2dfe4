//! The names of metashrew-core.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::key_parser::{self, KeyParseConfig};
use super::lru_cache::{self, CacheAllocationMode, CacheStats};
use super::{host_interface, state};

/// Opens the cache and tells the log what the host granted for it. Whatever needs the cache opens
/// it too, without a word.
///
/// Costs the same whatever the cache's size; the first call of all reserves memory.
pub fn initialize() {
    lru_cache::initialize_lru_cache();
}

/// The module's whole input: the height's four little-endian bytes, then the block (or a view's
/// argument).
///
/// Costs one heap allocation of exactly the input's length, and leaves the cache alone: the input
/// may be a view's. The first use of the cache in a block brings it to the block's height. It drops
/// what was written from this height on if the chain has been reorganised, and everything if
/// heights were left out. That takes time proportional to the entries. It does not happen in a
/// view: while a view's height is set, in [`CacheAllocationMode::View`], and over an image that
/// other instances map too.
///
/// # Panics
///
/// Halts when the host gives a negative length.
pub fn input() -> Vec<u8> {
    let input = host_interface::input();
    let height = input.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    state::with(|state| state.begin_block(height));
    input
}

/// The value of a key, empty if there is none: from what this block has written, from the cache,
/// from the host. Call [`input`] first: it tells the cache which block this is.
///
/// Before [`input`], a fresh instance with a warm cache asks the host: the image may be of another
/// branch. In an instance that is kept, nothing tells where the next block begins. What it reads
/// before its [`input`] is as of the block that the instance saw last, which a reorganisation may
/// have replaced.
///
/// Makes one lookup in the cache, among the entries that [a view may see](super#views) if it
/// answers one. What it does to the heap does not depend on whether that finds the value: two
/// blocks of the same sizes are allocated, and for a key longer than
/// [`MAX_STACK_KEY_BYTES`](host_interface::MAX_STACK_KEY_BYTES) one more, before the lookup, which
/// is given back.
///
/// A value of at least 4 KiB that was read stays on the heap and is handed out again without a
/// copy, until the next [`flush`], [`input`] or change of the view's height. All that stays takes
/// at most an eighth of the bytes below the region; where a value exceeds that, the earlier ones
/// go.
///
/// # Panics
///
/// Halts, with a line in the log, when the host announces a length that no value can have, or when
/// the heap has no room for the value. Nothing has been written then.
pub fn get(key: Arc<Vec<u8>>) -> Arc<Vec<u8>> {
    state::with(|state| state.get(&key))
}

/// Writes a value. [`get`] sees it from now on, host and cache from the next [`flush`] on. An empty
/// value deletes the key.
///
/// Set a key once per block if it can be: each call is a pair of the next flush, with the key's
/// last value.
///
/// Costs a lookup among the block's values: constant, or the logarithm of their number where their
/// keys were chosen to stand in each other's way.
pub fn set(key: Arc<Vec<u8>>, value: Arc<Vec<u8>>) {
    state::with(|state| state.set(&key, value));
}

/// Hands all writes since the last flush to the host at once: one pair for each [`set`], in that
/// order, with the last value of its key.
///
/// A key that was set twice goes out twice, as metashrew-core has it: metashrew's host keeps every
/// pair.
///
/// A host takes exactly one flush for a block, even an empty one, and keeps none of its writes
/// without it.
///
/// Tells the cache of the writes, and drops what views have read. In a view, and in a block that
/// has told no height to a cache that began warm, the cache drops everything instead: the host may
/// take the writes or not. With the feature `image`, the host is then offered the image of the
/// cache, except in a view.
///
/// # Panics
///
/// Halts when the message exceeds 2 GiB less four bytes; nothing was written then.
pub fn flush() {
    state::with(|state| {
        host_interface::flush(state.working_set.pairs());
        state.flushed();
    });
}

/// Has nothing to do: [`flush`] tells the cache what it hands to the host. It is here since
/// metashrew's programs call it before [`flush`].
pub fn flush_to_lru() {
    lru_cache::flush_to_lru();
}

/// Takes the writes at hand out of the next flush. [`get`] still sees them until the next block
/// begins.
pub fn reset() {
    state::with(state::State::reset);
}

/// Forgets the values of the block, and empties the cache. [`get`] asks the host then, which gives
/// what was flushed back when the block has ended.
pub fn clear() {
    state::with(state::State::clear_values);
    lru_cache::clear_lru_cache();
}

/// Leaves `bytes` where the host finds them and returns the pointer that a view function returns.
///
/// The bytes are moved into one new heap allocation, with their length in the four bytes before the
/// pointer, and never freed.
///
/// # Panics
///
/// Halts when `bytes` exceeds 2 GiB less four bytes.
pub fn export_bytes(bytes: Vec<u8>) -> i32 {
    host_interface::export_bytes(bytes)
}

/// As [`lru_cache::set_view_height`].
pub fn set_view_for_height(height: u32) {
    lru_cache::set_view_height(height);
}

/// Ends a view: no height is set any more, and what it has written is forgotten.
pub fn clear_view_cache() {
    state::with(state::State::end_view);
}

/// As [`lru_cache::get_actual_lru_cache_memory_limit`].
pub fn get_actual_cache_memory_limit() -> usize {
    lru_cache::get_actual_lru_cache_memory_limit()
}

/// As [`lru_cache::get_min_lru_cache_memory_limit`].
pub fn get_min_cache_memory_limit() -> usize {
    lru_cache::get_min_lru_cache_memory_limit()
}

/// As [`lru_cache::is_cache_below_recommended_minimum`].
pub fn is_cache_below_minimum() -> bool {
    lru_cache::is_cache_below_recommended_minimum()
}

/// As [`lru_cache::get_cache_stats`].
pub fn lru_cache_stats() -> CacheStats {
    lru_cache::get_cache_stats()
}

/// As [`lru_cache::get_total_memory_usage`].
pub fn lru_cache_memory_usage() -> usize {
    lru_cache::get_total_memory_usage()
}

/// As [`lru_cache::api_cache_set`].
pub fn cache_set(key: String, value: Arc<Vec<u8>>) {
    lru_cache::api_cache_set(key, value);
}

/// As [`lru_cache::api_cache_get`].
pub fn cache_get(key: &str) -> Option<Arc<Vec<u8>>> {
    lru_cache::api_cache_get(key)
}

/// As [`lru_cache::api_cache_remove`].
pub fn cache_remove(key: &str) -> Option<Arc<Vec<u8>>> {
    lru_cache::api_cache_remove(key)
}

/// As [`lru_cache::is_lru_cache_initialized`].
pub fn is_lru_cache_available() -> bool {
    lru_cache::is_lru_cache_initialized()
}

/// As [`lru_cache::set_cache_allocation_mode`].
pub fn set_cache_mode(mode: CacheAllocationMode) {
    lru_cache::set_cache_allocation_mode(mode);
}

/// As [`lru_cache::get_cache_allocation_mode`].
pub fn get_cache_mode() -> CacheAllocationMode {
    lru_cache::get_cache_allocation_mode()
}

/// As [`key_parser::parse_key_default`].
pub fn parse_cache_key(key: &[u8]) -> String {
    key_parser::parse_key_default(key)
}

/// As [`key_parser::parse_key_enhanced`], with the defaults.
pub fn parse_cache_key_enhanced(key: &[u8]) -> String {
    key_parser::parse_key_enhanced(key, &KeyParseConfig::default())
}

/// As [`key_parser::parse_key_readable`].
pub fn parse_cache_key_with_config(key: &[u8], config: &KeyParseConfig) -> String {
    key_parser::parse_key_readable(key, config)
}
