//! A cache to take an image of: `_start` fills it, the view `read` reads it.
#![cfg_attr(target_family = "wasm", no_main)]

use std::cell::RefCell;

use steadfast::cache::Cache;
use steadfast::metashrew::host_interface;

steadfast::plan!();

/// With a value of 100 bytes, the 137 bytes that the plan expects of an entry.
const KEY_BYTES: usize = 37;
const VALUE_BYTES: usize = 100;

thread_local! {
    static CACHE: RefCell<Cache> = RefCell::new(steadfast::open_cache().expect("nobody else opens it"));
}

fn key(number: u64) -> [u8; KEY_BYTES] {
    let mut key = *b"/outpoint/0123456789abcdef/__________";
    key[10..26].copy_from_slice(format!("{number:016x}").as_bytes());
    key
}

/// The input behind the height, as numbers.
fn arguments<const N: usize>() -> [u64; N] {
    let input = host_interface::input();
    let mut numbers = [0; N];
    for (number, bytes) in numbers.iter_mut().zip(input[4..].chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
    }
    numbers
}

/// Stores as many entries as the input tells, and flushes the numbers of those that the cache has
/// not kept: a full pair of buckets gives one up.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn _start() {
    let [entries] = arguments();
    let missing: Vec<[u8; 8]> = CACHE.with_borrow_mut(|cache| {
        for number in 0..entries {
            let mut value = [0; VALUE_BYTES];
            value[..8].copy_from_slice(&number.to_le_bytes());
            value[VALUE_BYTES - 8..].copy_from_slice(&number.to_le_bytes());
            cache.insert(&key(number), &value).expect("it fits");
        }
        let numbers = (0..entries).filter(|&number| !cache.contains(&key(number)));
        numbers.map(u64::to_le_bytes).collect()
    });
    host_interface::flush(missing.iter().map(|number| (&number[..], &[][..])));
}

/// Reads entries at random: so many, of the first so many, from a seed. Answers how many were
/// there, and the sum of both ends of their values.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn read() -> i32 {
    let [reads, entries, mut seed] = arguments();
    let (mut hits, mut sum) = (0u64, 0u64);
    CACHE.with_borrow_mut(|cache| {
        for _ in 0..reads {
            // A linear congruence; its upper bits are random enough to reach all over the image.
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = ((u128::from(seed) * u128::from(entries)) >> 64) as u64;
            if let Some(value) = cache.get(&key(number)) {
                hits += 1;
                for end in [value.first_chunk(), value.last_chunk()]
                    .into_iter()
                    .flatten()
                {
                    sum = sum.wrapping_add(u64::from_le_bytes(*end));
                }
            }
        }
    });
    host_interface::export_bytes([hits.to_le_bytes(), sum.to_le_bytes()].concat())
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    _start();
    read();
}
