//! Stores how often memory could be reserved.

#[cfg(target_family = "wasm")]
fn main() {
    const STEP_BYTES: usize = 50 << 20;
    let mut blocks = Vec::new();
    for _ in 0..20 {
        let mut block: Vec<u8> = Vec::new();
        if block.try_reserve(STEP_BYTES).is_ok() {
            blocks.push(block);
        }
    }
    control_guests::store(b"reserved", &[blocks.len() as u8]);
}

#[cfg(not(target_family = "wasm"))]
fn main() {}
