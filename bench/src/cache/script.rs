//! Operations with their keys and values spelt out, as a guest takes them.

use super::instance::Op;

/// Bytes of script that a guest takes at a time.
pub const ROOM: usize = (64 << 10) + 256;

/// One operation: its number, the key's length, the value's, the key, the value.
pub fn step(op: Op, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut step = vec![op as u8, key.len() as u8];
    step.extend((value.len() as u32).to_le_bytes());
    step.extend(key);
    step.extend(value);
    step
}
