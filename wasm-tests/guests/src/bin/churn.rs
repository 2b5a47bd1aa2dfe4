//! Allocates and frees in many ways, and reports where everything stood.
#![cfg_attr(target_family = "wasm", no_main)]

use std::collections::BTreeMap;

use wasm_test_guests::{Digest, Numbers, report};

steadfast::plan!();

fn run() {
    let mut numbers = Numbers(1);
    let mut addresses = Digest::default();
    let mut map = BTreeMap::new();
    let mut long = Vec::new();
    for round in 0..30_000_u64 {
        let key = numbers.below(3000);
        let value = vec![round as u8; numbers.below(600) as usize];
        addresses.add_address(&value[..]);
        if let Some(old) = map.insert(key, value) {
            addresses.add_address(&old[..]);
        }
        if round % 7 == 0 {
            map.remove(&numbers.below(3000));
        }
        long.push(round);
        addresses.add_address(&long[..]);
    }
    let text: String = map.keys().map(u64::to_string).collect();
    addresses.add_address(&*text);
    report(0, addresses.value());
    report(1, map.values().map(Vec::len).sum::<usize>() as u64);
}

wasm_test_guests::entry!(run);
