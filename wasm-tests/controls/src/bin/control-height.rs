//! Counts blocks in a value that its cache holds, and writes it at a height that is one too low.
//! Where the chain goes back to the first block, the cache keeps the second one's number.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

steadfast::plan!();

const KEY: &[u8] = b"blocks";

fn run() {
    let Ok(mut cache) = steadfast::open_cache() else {
        return;
    };
    let height = control_guests::height();
    let cached = cache.get(KEY).map(|value| value[0]);
    let count = cached.unwrap_or_else(|| control_guests::stored_byte(KEY)) + 1;
    cache.set_height(height.saturating_sub(1));
    let _ = cache.insert(KEY, &[count]);
    cache.set_height(height);
    control_guests::store(KEY, &[count]);
}

control_guests::entry!(run);
