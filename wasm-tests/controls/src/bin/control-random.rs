//! Stores the order of a map with a seed of its own.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

use std::collections::HashMap;

fn run() {
    let map: HashMap<u8, ()> = (0..100).map(|key| (key, ())).collect();
    let order: Vec<u8> = map.into_keys().collect();
    control_guests::store(b"order", &order);
}

control_guests::entry!(run);
