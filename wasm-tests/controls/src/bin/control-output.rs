//! Stores always the same, and prints how often memory could be reserved.

#[cfg(target_family = "wasm")]
fn main() {
    println!("a line like any other");
    println!("reserved {} blocks", control_guests::reserved_blocks());
    control_guests::store(b"key", b"value");
}

#[cfg(not(target_family = "wasm"))]
fn main() {}
