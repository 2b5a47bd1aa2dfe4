//! What a command does in a component: calls its host before it allocates anything, fills its heap, and calls it again. Prints
//! and reports where Rust's memory stands.
#![cfg_attr(target_os = "wasi", no_main)]

use std::time::SystemTime;

use wasm_test_guests::{Digest, exercise_cache, guest_results, report};

steadfast::plan!();

fn run() {
    // The adapter for preview 1 makes itself a state and a stack now.
    let now = SystemTime::now();
    let mut addresses = Digest::default();
    let mut held: Vec<Vec<u8>> = Vec::with_capacity(256);
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            break;
        }
        block.resize(1 << 20, 0x5a);
        addresses.add_address(&block[..]);
        held.push(block);
    }
    let blocks = held.len();
    assert!(SystemTime::now() >= now);
    assert!(held.iter().flatten().all(|byte| *byte == 0x5a));
    held.clear();
    exercise_cache(0);
    // Strings that the host places, and that belong to Rust.
    let words = std::env::args().map(|word| word + "!").collect::<Vec<_>>();
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
