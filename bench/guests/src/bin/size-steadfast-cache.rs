//! Four exports over steadfast, and its cache.
#![cfg_attr(target_family = "wasm", no_main)]

use bench_guests as _;

use std::cell::RefCell;

use steadfast::cache::Cache;

steadfast::plan!();

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::new(steadfast::open_cache().expect("opened once"));
}

/// Keeps a value of four bytes; answers the one before.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn guest_cache(key: u64, value: u32) -> u32 {
    CACHE.with_borrow_mut(|cache| {
        let before = cache
            .get(&key.to_le_bytes())
            .and_then(|held| held.try_into().ok())
            .map_or(0, u32::from_le_bytes);
        let _ = cache.insert(&key.to_le_bytes(), &value.to_le_bytes());
        before
    })
}

#[cfg(not(target_family = "wasm"))]
fn main() {}
