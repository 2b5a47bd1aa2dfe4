//! What a command does in a component: calls its host before it allocates anything, fills its heap,
//! and calls it again. Prints and reports where Rust's memory stands.
#![cfg_attr(target_os = "wasi", no_main)]

use std::time::SystemTime;

use wasm_test_guests::{Digest, exercise_cache, guest_results, report};

steadfast::plan!();

const LEN: usize = 1000;
/// More than fit the heap.
const BLOCKS: usize = 200_000;

fn run() {
    // The adapter for preview 1 makes itself a state and a stack now.
    let now = SystemTime::now();
    let mut addresses = Digest::default();
    let mut held: Vec<Vec<u8>> = Vec::with_capacity(BLOCKS);
    // Small blocks, so that the heap writes to all of its pages, those of its table too.
    while held.len() < BLOCKS {
        let mut block = Vec::new();
        if block.try_reserve_exact(LEN).is_err() {
            break;
        }
        block.resize(LEN, 0x5a);
        addresses.add_address(&block[..]);
        held.push(block);
    }
    let blocks = held.len();
    assert!(blocks < BLOCKS, "the heap is full");
    assert!(SystemTime::now() >= now);
    held.truncate(blocks / 2);
    exercise_cache(0);
    // Strings that the host places, and that belong to Rust: they grow and are freed.
    let words: Vec<String> = std::env::args().map(|word| word + "!").collect();
    let whole = |block: &Vec<u8>| block.len() == LEN && block.iter().all(|byte| *byte == 0x5a);
    assert!(held.iter().all(whole), "nobody else wrote here");
    report(3, addresses.value());
    report(4, blocks as u64);
    let cache = guest_results.with(|results| results[0]);
    println!("{cache} {} {blocks} {}", addresses.value(), words.len());
}

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
wasm_test_guests::entry!(run);

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
fn main() {
    // There is no host to tell the time.
    let _ = run;
}
