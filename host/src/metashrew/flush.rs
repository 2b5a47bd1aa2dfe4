//! What a guest hands to `__flush`: a protobuf message whose field 1 is a repeated `bytes`: key,
//! value, key, value.

use crate::state::Pair;

/// Field 1, wire type 2 (a length and that many bytes).
const LIST_ITEM: u8 = 1 << 3 | 2;

/// Why a flush message is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlushError {
    /// Something other than field 1 as bytes.
    #[error("byte {at} of the message is {tag:#04x}, where only field 1 as bytes (0x0a) may stand")]
    UnexpectedTag {
        /// Offset of the tag in the message.
        at: usize,
        /// The byte found there.
        tag: u8,
    },
    /// A length that does not end, is not in its shortest form, or is past 32 bits.
    #[error("the length at byte {at} of the message is not a 32-bit number in its shortest form")]
    BadLength {
        /// Offset of the length in the message.
        at: usize,
    },
    /// A length that reaches past the end of the message.
    #[error("the item at byte {at} of the message claims {length} bytes, and {left} are left")]
    TooLong {
        /// Offset of the item's first byte in the message.
        at: usize,
        /// Bytes claimed.
        length: u32,
        /// Bytes left in the message.
        left: usize,
    },
    /// The last key has no value.
    #[error("the message holds {items} items: the last key has no value")]
    KeyWithoutValue {
        /// Items in the message.
        items: usize,
    },
}

/// Reads a flush message into its pairs, in the order in which they stand.
///
/// # Errors
///
/// Anything but a well-formed message in which every key has its value is refused whole.
pub fn decode(message: &[u8]) -> Result<Vec<Pair>, FlushError> {
    Ok(decode_up_to(message, u64::MAX)?.unwrap_or_default())
}

/// As [`decode`]; `None` where there are more pairs than that.
pub(crate) fn decode_up_to(message: &[u8], most: u64) -> Result<Option<Vec<Pair>>, FlushError> {
    let mut pairs = Vec::new();
    let mut key: Option<&[u8]> = None;
    let mut at = 0;
    while let Some(&tag) = message.get(at) {
        if tag != LIST_ITEM {
            return Err(FlushError::UnexpectedTag { at, tag });
        }
        let (length, start) = length(message, at + 1)?;
        let left = message.len() - start;
        let item = message[start..]
            .get(..length as usize)
            .ok_or(FlushError::TooLong {
                at: start,
                length,
                left,
            })?;
        match key.take() {
            None => key = Some(item),
            Some(_) if pairs.len() as u64 >= most => return Ok(None),
            Some(key) => pairs.push((key.to_vec(), item.to_vec())),
        }
        at = start + item.len();
    }
    match key {
        None => Ok(Some(pairs)),
        Some(_) => Err(FlushError::KeyWithoutValue {
            items: 2 * pairs.len() + 1,
        }),
    }
}

/// Reads the variable-length number at `at`; returns it and the offset behind it.
fn length(message: &[u8], at: usize) -> Result<(u32, usize), FlushError> {
    let mut value = 0u64;
    for (index, &byte) in message[at..].iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = index == 0 || byte != 0;
            return match u32::try_from(value) {
                Ok(value) if shortest => Ok((value, at + index + 1)),
                _ => Err(FlushError::BadLength { at }),
            };
        }
    }
    Err(FlushError::BadLength { at })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(items: &[&[u8]]) -> Vec<u8> {
        let mut message = Vec::new();
        for item in items {
            message.push(LIST_ITEM);
            let mut length = item.len();
            while length >= 0x80 {
                message.push(length as u8 | 0x80);
                length >>= 7;
            }
            message.push(length as u8);
            message.extend_from_slice(item);
        }
        message
    }

    #[test]
    fn pairs_come_in_order() {
        assert_eq!(decode(&[]), Ok(vec![]));
        let long = vec![7; 20_000];
        let items: [&[u8]; 6] = [b"k", b"v", b"", b"", b"k", &long];
        let expected = vec![
            (b"k".to_vec(), b"v".to_vec()),
            (vec![], vec![]),
            (b"k".to_vec(), long.clone()),
        ];
        assert_eq!(decode(&message(&items)), Ok(expected));
    }

    #[test]
    fn every_truncation_is_refused() {
        let whole = message(&[b"key", &[1; 200]]);
        for end in 1..whole.len() {
            assert!(decode(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn hostile_lengths_are_refused() {
        let too_long = FlushError::TooLong {
            at: 6,
            length: u32::MAX,
            left: 0,
        };
        assert_eq!(decode(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), Err(too_long));
        let bad = Err(FlushError::BadLength { at: 1 });
        assert_eq!(decode(&[0x0a]), bad, "missing");
        assert_eq!(decode(&[0x0a, 0x80]), bad, "unfinished");
        assert_eq!(decode(&[0x0a, 0x80, 0x00]), bad, "not the shortest form");
        assert_eq!(
            decode(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x1f]),
            bad,
            "33 bits"
        );
        let endless = [&[0x0a][..], &[0xff; 64]].concat();
        assert_eq!(decode(&endless), bad, "endless");
    }

    #[test]
    fn other_fields_and_a_key_without_a_value_are_refused() {
        let tag = |at, tag| Err(FlushError::UnexpectedTag { at, tag });
        assert_eq!(decode(&[0x12, 0x00]), tag(0, 0x12));
        assert_eq!(decode(&[0x08, 0x00]), tag(0, 0x08));
        assert_eq!(decode(&[0x0a, 0x00, 0x00]), tag(2, 0));
        assert_eq!(
            decode(&message(&[b"a", b"b", b"c"])),
            Err(FlushError::KeyWithoutValue { items: 3 })
        );
    }
}
