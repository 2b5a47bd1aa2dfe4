//! Stores the order of a map with a random seed.

#[cfg(target_family = "wasm")]
fn main() {
    use std::collections::HashMap;

    let map: HashMap<u8, ()> = (0..100).map(|key| (key, ())).collect();
    let order: Vec<u8> = map.into_keys().collect();
    control_guests::store(b"order", &order);
}

#[cfg(not(target_family = "wasm"))]
fn main() {}
