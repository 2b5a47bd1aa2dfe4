//! Metashrew's guest side: the names of metashrew-core here, those of metashrew-support's cache in
//! [`lru_cache`].
//!
//! An indexer written against them changes an import path and writes one [`plan!`](crate::plan!);
//! `docs/migrating.md` shows it. Three things are better than there: nothing panics when memory is
//! short, the cache's limit is what the host really grants, and no heap address depends on it.
//!
//! Reads go to the writes of the block at hand, then to the cache, then to the host. Keys and
//! values are `Arc<Vec<u8>>`.
//!
//! ```ignore-wasm
//! use std::sync::Arc;
//! use steadfast::metashrew::{flush, get, host::stand_in, input, set};
//!
//! stand_in::with(|host| host.input = vec![5, 0, 0, 0, 0xAA]);
//! assert_eq!(input(), [5, 0, 0, 0, 0xAA]);
//!
//! let key = Arc::new(b"/height".to_vec());
//! assert!(get(key.clone()).is_empty());
//! set(key.clone(), Arc::new(vec![5]));
//! assert_eq!(*get(key.clone()), [5]);
//! flush();
//! stand_in::with(|host| assert_eq!(host.store[b"/height".as_slice()], [5]));
//! ```
//!
//! # Views
//!
//! A view is an export that the host calls with a height and an argument as its input. It reads as
//! of its height: the one that [`set_view_for_height`] sets, or else the one in front of its
//! [`input`].
//!
//! ```ignore-wasm
//! use std::sync::Arc;
//! use steadfast::metashrew::{clear_view_cache, export_bytes, get, input, set_view_for_height};
//!
//! pub extern "C" fn balance() -> i32 {
//!     let input = input();
//!     let (height, account) = input.split_first_chunk().expect("a height is in front");
//!     set_view_for_height(u32::from_le_bytes(*height));
//!     let balance = get(Arc::new([b"/balance/", account].concat()));
//!     clear_view_cache();
//!     export_bytes(balance.to_vec())
//! }
//! # steadfast::metashrew::host::stand_in::with(|host| host.input = vec![5, 0, 0, 0]);
//! # assert_eq!(balance(), 0);
//! ```
//!
//! What [`get`] may answer from depends on the cache:
//!
//! | cache | height of the view | `get` answers from |
//! |---|---|---|
//! | an image that other instances map too | the image's | the image |
//! | | an earlier one | entries written at that height or before, else the host |
//! | | a later one | the host |
//! | | none: the input was taken from [`host_interface`] | the image, which must be as of the state |
//! | its own, in [`CacheAllocationMode::View`] | any | what this instance has read at that height, else the host |
//! | | none | the host |
//! | its own, in [`CacheAllocationMode::Indexer`] | any that is set | the host |
//!
//! Over a shared image this holds whether the height is set before the input, after it or not at
//! all, and in either mode. A read that the image answers writes to no page of it.
//!
//! A host that keeps an instance for views in [`CacheAllocationMode::View`] drops it when the chain
//! is reorganised: nothing tells the instance.
//!
//! # What a program may ask
//!
//! What the host grants changes a program's speed alone, as long as it does not ask for it. The
//! functions that tell it say so: they tell a size, statistics or what the cache happens to hold,
//! and outputs must not be made of their answers.
//!
//! [`host_interface`] is the bare interface, for programs that keep their own writes and their own
//! cache.

pub mod allocator;
mod block_values;
mod debug;
mod frame;
mod guest;
pub mod host;
pub mod host_interface;
mod image;
pub mod key_parser;
mod keyed;
mod logging;
pub mod lru_cache;
mod message;
mod state;
mod stdio;
mod unwritten;
mod visible;
mod working_set;

pub use block_values::{BlockValues, get_cache};
pub use debug::{
    KeyPrefixStats, LruDebugStats, PrefixAnalysisConfig, clear_prefix_hit_stats,
    disable_lru_debug_mode, enable_lru_debug_mode, generate_lru_debug_report,
    get_comprehensive_memory_report, get_lru_debug_stats, get_prefix_analysis_config,
    is_lru_debug_mode_enabled, set_prefix_analysis_config,
};
pub use guest::{
    cache_get, cache_remove, cache_set, clear, clear_view_cache, export_bytes, flush, flush_to_lru,
    get, get_actual_cache_memory_limit, get_cache_mode, get_min_cache_memory_limit, initialize,
    input, is_cache_below_minimum, is_lru_cache_available, lru_cache_memory_usage, lru_cache_stats,
    parse_cache_key, parse_cache_key_enhanced, parse_cache_key_with_config, reset, set,
    set_cache_mode, set_view_for_height,
};
#[doc(hidden)]
pub use logging::last_words;
#[cfg(feature = "log")]
pub use logging::log_facade;
#[cfg(feature = "std")]
pub use logging::log_panics;
pub use logging::{Level, LogSink, set_log_sink};
pub use lru_cache::{CacheAllocationMode, CacheStats, force_evict_to_target_percentage};
pub use stdio::{Stdout, print, println, stdout};
