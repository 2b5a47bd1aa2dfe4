//! Stores the capacity of its cache.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

steadfast::plan!();

fn run() {
    let capacity = steadfast::open_cache().map_or(0, |cache| cache.capacity());
    control_guests::store(b"capacity", &(capacity as u32).to_le_bytes());
}

control_guests::entry!(run);
