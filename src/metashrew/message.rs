//! The flush as a protobuf message: field 1, repeated `bytes`, key, value, key, value.

use super::frame;
use alloc::vec::Vec;

/// Field 1 with wire type 2, length-delimited.
const FIELD_TAG: u8 = 1 << 3 | 2;

/// Why there is no message.
#[derive(Debug)]
pub(super) enum EncodeError {
    /// It exceeds 2 GiB.
    TooLong,
    /// The pairs were others when they were written than when they were counted.
    Changed,
}

/// The framed message, sized exactly beforehand.
///
/// The host trusts the length in front, so a message of another length is never given to it.
pub(super) fn encode<'a>(
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Result<Vec<u8>, EncodeError> {
    let fields = pairs.flat_map(|(key, value)| [key, value]);
    let len = fields
        .clone()
        .try_fold(0_usize, |sum, field| sum.checked_add(field_len(field)?));
    let (mut message, mut left) = len
        .and_then(|len| Some((frame::framed(len)?, len)))
        .ok_or(EncodeError::TooLong)?;
    for field in fields {
        left = field_len(field)
            .and_then(|len| left.checked_sub(len))
            .ok_or(EncodeError::Changed)?;
        message.push(FIELD_TAG);
        push_varint(&mut message, field.len());
        message.extend_from_slice(field);
    }
    if left == 0 {
        Ok(message)
    } else {
        Err(EncodeError::Changed)
    }
}

fn field_len(field: &[u8]) -> Option<usize> {
    field.len().checked_add(1 + varint_len(field.len()))
}

fn varint_len(number: usize) -> usize {
    let bits = usize::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn push_varint(message: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}
