//! The indexer on steadfast, as it is used: without the digest of its allocations.
#![cfg_attr(target_family = "wasm", no_main)]

use std::cell::RefCell;

use indexer::metashrew as store;
use steadfast::cache::Cache;

steadfast::plan!();

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::new(store::open_cache());
}

#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
extern "C" fn _start() {
    CACHE.with_borrow_mut(bench_indexer_guests::index);
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    _start();
}
