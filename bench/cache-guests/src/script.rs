//! Operations with their keys and values spelt out, as the host writes them for a real block.
//!
//! One operation: a byte that says which, the key's length as a byte, the value's as a
//! little-endian `u32`, the key, the value.

/// An operation's head.
const HEAD_BYTES: usize = 6;

/// One operation.
pub struct Step<'a> {
    /// What is done: an [`Op`](crate::Op) by its number.
    pub what: u8,
    /// The key.
    pub key: &'a [u8],
    /// What the store has under that key.
    pub value: &'a [u8],
}

/// Takes the first operation off.
#[inline(always)]
pub fn next<'a>(script: &mut &'a [u8]) -> Option<Step<'a>> {
    let (head, rest) = script.split_first_chunk::<HEAD_BYTES>()?;
    let [what, key_len, value_len @ ..] = *head;
    let (key, rest) = rest.split_at_checked(usize::from(key_len))?;
    let (value, rest) = rest.split_at_checked(u32::from_le_bytes(value_len) as usize)?;
    *script = rest;
    Some(Step { what, key, value })
}
