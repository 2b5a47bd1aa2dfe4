//! Stores a heap address.

#[cfg(target_family = "wasm")]
fn main() {
    // More than the memory that an instance begins with has left.
    let block = vec![1_u8; 8 << 20];
    control_guests::store(b"address", &control_guests::address_of(&block[..]));
}

#[cfg(not(target_family = "wasm"))]
fn main() {}
