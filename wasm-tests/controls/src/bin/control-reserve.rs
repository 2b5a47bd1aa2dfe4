//! Stores how often memory could be reserved.

#[cfg(target_family = "wasm")]
fn main() {
    control_guests::store(b"reserved", &[control_guests::reserved_blocks()]);
}

#[cfg(not(target_family = "wasm"))]
fn main() {}
