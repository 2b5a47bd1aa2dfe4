//! The indexer as a metashrew module.
//!
//! `_start` indexes the block that the host hands in; `balance` and `output` are views, described
//! with [`indexer::view`]. A host that calls into one instance more than once finds the cache warm.

use core::cell::RefCell;
use indexer::metashrew as store;
use steadfast::cache::Cache;
use steadfast::metashrew::host_interface;

// Its entries have 60 bytes of key and value, as `steadfast size` tells.
steadfast::plan!(steadfast::Plan::DEFAULT.with_expected_entry(60));

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::new(store::open_cache());
}

/// Indexes the host's block, and logs what it held.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn _start() {
    let input = host_interface::input();
    let summary = CACHE.with_borrow_mut(|cache| store::index(&input, cache));
    host_interface::log_line(format_args!("{summary}"));
}

/// What a script holds.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn balance() -> i32 {
    let input = host_interface::input();
    host_interface::export_bytes(CACHE.with_borrow_mut(|cache| store::balance(&input, cache)))
}

/// The unspent output at an outpoint.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn output() -> i32 {
    let input = host_interface::input();
    host_interface::export_bytes(CACHE.with_borrow_mut(|cache| store::output(&input, cache)))
}
