//! Stores a heap address.
#![cfg_attr(all(target_family = "wasm", target_os = "unknown"), no_main)]

fn run() {
    // More than the memory that an instance begins with has left.
    let block = vec![1_u8; 8 << 20];
    control_guests::store(b"address", &control_guests::address_of(&block[..]));
}

control_guests::entry!(run);
