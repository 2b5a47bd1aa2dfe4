//! Reads one variable, which makes libc copy the whole environment; reports where Rust's memory
//! stands.

use wasm_test_guests::{Digest, report};

steadfast::plan!();

fn main() {
    let name = std::env::var("GUEST_NAME").unwrap_or_default();
    let mut addresses = Digest::default();
    let mut held = Vec::new();
    for size in [1, 100, 5000, 200_000] {
        let block = vec![size as u8; size];
        addresses.add_address(&block[..]);
        held.push(block);
    }
    addresses.add_address(&*name);
    report(0, addresses.value());
    report(1, name.len() as u64);
}
