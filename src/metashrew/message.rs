//! The flush as a protobuf message: field 1, repeated `bytes`, key, value, key, value.

use super::frame;
use alloc::vec::Vec;

/// Field 1 with wire type 2, length-delimited.
const FIELD_TAG: u8 = 1 << 3 | 2;

/// The framed message, sized exactly beforehand; nothing if it exceeds 2 GiB.
pub(super) fn encode<'a>(
    pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
) -> Option<Vec<u8>> {
    let fields = pairs.flat_map(|(key, value)| [key, value]);
    let len = fields
        .clone()
        .try_fold(0_usize, |sum, field| sum.checked_add(field_len(field)?))?;
    let mut message = frame::framed(len)?;
    for field in fields {
        message.push(FIELD_TAG);
        push_varint(&mut message, field.len());
        message.extend_from_slice(field);
    }
    Some(message)
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
