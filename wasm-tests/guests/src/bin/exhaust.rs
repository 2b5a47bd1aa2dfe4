//! Asks for memory until there is no more, gives it back and asks again; reports when it was
//! refused.
#![cfg_attr(target_family = "wasm", no_main)]

use wasm_test_guests::{Digest, report};

steadfast::plan!();

/// Takes blocks of `bytes` until one is refused.
fn fill(bytes: usize, addresses: &mut Digest) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    loop {
        let mut block: Vec<u8> = Vec::new();
        if blocks.try_reserve(1).is_err() || block.try_reserve_exact(bytes).is_err() {
            return blocks;
        }
        addresses.add(block.as_ptr().addr() as u64);
        blocks.push(block);
    }
}

fn run() {
    let mut addresses = Digest::default();
    let mut index = 0;
    for bytes in [50_000_000, 1 << 20, 100_000, 4096, 48] {
        let blocks = fill(bytes, &mut addresses);
        report(index, blocks.len() as u64);
        index += 1;
    }
    // All at once, with the largest first: what is left is smaller and smaller.
    let mut held = Vec::new();
    for bytes in [10_000_000, 1 << 20, 100_000, 4096] {
        let blocks = fill(bytes, &mut addresses);
        report(index, blocks.len() as u64);
        index += 1;
        held.push(blocks);
    }
    report(index, addresses.value());
}

wasm_test_guests::entry!(run);
