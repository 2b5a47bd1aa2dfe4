//! Starts with the plan of metashrew's indexers, and opens the cache in its region.
#![cfg_attr(target_family = "wasm", no_main)]

steadfast::plan!(steadfast::Plan::METASHREW);

#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
extern "C" fn _start() {
    let cache = steadfast::open_cache();
    assert!(cache.is_ok_and(|cache| cache.capacity() > 0));
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    _start();
}
