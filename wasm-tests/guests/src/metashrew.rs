//! Programs written against the metashrew surface.

use std::sync::Arc;

use steadfast::instance_info;
use steadfast::metashrew::lru_cache;
use steadfast::metashrew::{self, flush, get, input, set};

use crate::{Digest, Numbers, report};

fn key(number: u64) -> Arc<Vec<u8>> {
    let mut key = format!("/balances/{number}").into_bytes();
    if number.is_multiple_of(7) {
        // Longer than what is framed on the stack.
        key.resize(600 + number as usize, b'-');
    }
    Arc::new(key)
}

/// Indexes a block of made-up numbers: reads and writes balances, some of them often, and stores
/// what it has seen. The seed is what follows the height. Number 0 that it reports is a digest of
/// all values and of where they stood.
pub fn index_block() {
    let input = input();
    let (height, seed) = input.split_at(4);
    let height = u32::from_le_bytes(height.try_into().expect("a height is in front"));
    let mut numbers = Numbers(u64::from(height) << 32 | u64::from(seed[0]));
    let mut digest = Digest::default();
    let mut held = Vec::new();
    for step in 0..4_000 {
        let reach = if step % 3 == 0 { 2_000 } else { 60 };
        let number = numbers.below(reach);
        let key = key(number);
        let value = get(key.clone());
        digest.add(value.iter().map(|&byte| u64::from(byte)).sum());
        digest.add(value.len() as u64);
        digest.add_address(&**value);
        if step % 4 == 0 {
            let mut next = value.to_vec();
            next.push((height as u8) ^ seed[0]);
            next.truncate(300 - (numbers.below(200) as usize));
            if number.is_multiple_of(11) {
                // Long enough that the block keeps it once it has been read.
                next.resize(4096 + number as usize, height as u8);
            }
            set(key, Arc::new(next));
        }
        // Blocks that live on, so that a difference in one shows in the next.
        if step % 5 == 0 {
            held.push(value);
        }
    }
    set(
        Arc::new(b"/digest".to_vec()),
        Arc::new(digest.value().to_le_bytes().to_vec()),
    );
    metashrew::flush_to_lru();
    flush();
    report(0, digest.value());
}

/// A view: the value of the key that follows the height.
pub fn view_balance() -> i32 {
    let input = input();
    let (height, number) = input.split_at(4);
    metashrew::set_view_for_height(u32::from_le_bytes(
        height.try_into().expect("a height is in front"),
    ));
    let key = key(u64::from(number[0]));
    let value = get(key.clone());
    assert_eq!(get(key), value);
    metashrew::clear_view_cache();
    metashrew::export_bytes(value.to_vec())
}

/// Tries to reserve 50 MB twenty times, and stores which of it worked: what a program must never
/// do, and some do.
pub fn diverge() {
    const STEP: usize = 50_000_000;
    let mut held: Vec<Vec<u8>> = Vec::new();
    let mut outcome = String::new();
    for _ in 0..20 {
        let mut step = Vec::new();
        let worked = step.try_reserve(STEP).is_ok();
        outcome.push(if worked { '+' } else { '-' });
        held.push(step);
    }
    drop(held);
    set(
        Arc::new(b"/outcome".to_vec()),
        Arc::new(outcome.into_bytes()),
    );
    flush();
}

/// Uses the cache at whatever size was detected. Everything here holds at any.
pub fn exercise_lru_cache() {
    use lru_cache::*;
    let limit = detect_available_memory();
    assert_eq!(get_actual_lru_cache_memory_limit(), limit);
    assert_eq!(is_cache_below_recommended_minimum(), limit < 64 << 20);
    ensure_preallocated_memory();
    initialize_lru_cache();
    assert!(is_lru_cache_initialized());

    // A fiftieth of it, or what does not take all day.
    let large = Arc::new(vec![7; (limit / 50).min(1 << 20)]);
    for number in 0..70 {
        set_lru_cache(key(number), large.clone());
        assert!(get_total_memory_usage() <= limit);
        assert!(get_lru_cache(&key(number)).is_none_or(|held| held == large));
    }
    let stats = get_cache_stats();
    if limit > 1 << 20 && instance_info::current().forget_seed == 0 {
        assert!(stats.items >= 40, "{stats:?}");
        assert_eq!(stats.items as u64 + stats.evictions, 70);
    }
    clear_lru_cache();
    assert_eq!((get_total_memory_usage(), get_cache_stats().items), (0, 0));

    set_cache_allocation_mode(CacheAllocationMode::View);
    force_reinitialize_caches();
    for number in 0..70 {
        set_height_partitioned_cache(5, key(number), large.clone());
        assert!(get_total_memory_usage() <= limit / 2);
        assert_eq!(get_height_partitioned_cache(6, &key(number)), None);
    }
    for number in 0..70 {
        api_cache_set(number.to_string(), large.clone());
        assert!(api_cache_get(&number.to_string()).is_none_or(|held| held == large));
    }
    assert!(get_total_memory_usage() <= limit);
    force_evict_to_target_percentage(10);
    assert!(get_total_memory_usage() <= limit / 10);
    set_cache_allocation_mode(CacheAllocationMode::Indexer);
    clear_lru_cache();
    set(key(1), Arc::new(b"done".to_vec()));
    flush();
    report(0, limit as u64);
}
