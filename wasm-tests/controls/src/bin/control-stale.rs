//! Counts blocks in a value that grows, and ignores whether its cache took it. The cache keeps the
//! old value where it refuses the new one: so a block that follows counts on from an old number,
//! where the cache is small and warm.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

use steadfast::Cache;

steadfast::plan!();

const KEY: &[u8] = b"blocks";

/// As caches do that leave what they have when they refuse what they are told.
fn insert(cache: &mut Cache, value: &[u8]) {
    let old = cache.peek(KEY).map(<[u8]>::to_vec);
    if cache.insert(KEY, value).is_err()
        && let Some(old) = old
    {
        let _ = cache.insert(KEY, &old);
    }
}

fn run() {
    let Ok(mut cache) = steadfast::open_cache() else {
        return;
    };
    let cached = cache.get(KEY).map(|value| value[0]);
    let count = cached.unwrap_or_else(|| control_guests::stored_byte(KEY)) + 1;
    insert(&mut cache, &vec![count; usize::from(count) << 20]);
    control_guests::store(KEY, &[count]);
}

control_guests::entry!(run);
