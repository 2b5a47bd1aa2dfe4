//! A block, named by its height or its hash.

use std::fmt;
use std::str::FromStr;

use super::Input;
use crate::digest::display_hash;

/// Where a range of blocks begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The block at a height.
    Height(u32),
    /// The block with a hash.
    Hash([u8; 32]),
}

impl Mark {
    /// Whether this is the block, or, by its height, one behind it.
    pub(super) fn is_reached_by(&self, block: &Input) -> bool {
        match self {
            Mark::Height(height) => block.height() >= *height,
            Mark::Hash(hash) => block.block_hash() == Some(*hash),
        }
    }
}

/// Digits of a hash.
const HASH_DIGITS: usize = 64;

/// Reads the height of a block.
///
/// # Errors
///
/// A message that says what a height is.
pub fn parse_height(text: &str) -> Result<u32, String> {
    if text.len() == HASH_DIGITS {
        return Err("this has the length of a hash, and a height is wanted".to_string());
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let height = text.parse().ok().filter(|_| is_number);
    height.ok_or_else(|| format!("`{text}` is no height: a number from 0 to {}", u32::MAX))
}

/// A number is a height; 64 hexadecimal digits are a hash, as Bitcoin's tools print it: its last
/// byte first.
impl FromStr for Mark {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(height) = parse_height(text) {
            return Ok(Mark::Height(height));
        }
        let wrong = || format!("`{text}` is neither a height nor a block's hash of 64 digits");
        if text.len() != HASH_DIGITS || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut hash = [0; 32];
        for (at, byte) in hash.iter_mut().rev().enumerate() {
            let digits = &text[2 * at..2 * at + 2];
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Mark::Hash(hash))
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mark::Height(height) => write!(f, "block {height}"),
            Mark::Hash(hash) => write!(f, "block {}", display_hash(hash)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_height_and_a_hash_are_read_as_they_are_printed() {
        assert_eq!("702861".parse(), Ok(Mark::Height(702_861)));
        let text = format!("00ab{}", "1".repeat(60));
        let mark: Mark = text.parse().unwrap();
        let Mark::Hash(hash) = mark else {
            panic!("{mark}");
        };
        assert_eq!((hash[31], hash[30], hash[0]), (0, 0xab, 0x11));
        assert_eq!(mark.to_string(), format!("block {text}"));
        for wrong in ["", "-1", "+1", "4294967296", "ab", &"g".repeat(64)] {
            assert!(wrong.parse::<Mark>().is_err(), "{wrong}");
        }
    }

    /// Digits that all are decimal, and few that are not 0.
    #[test]
    fn a_hash_is_no_height() {
        for number in [0, 702_861] {
            let hash = format!("{number:064}");
            assert!(matches!(hash.parse(), Ok(Mark::Hash(_))), "{hash}");
            assert!(parse_height(&hash).unwrap_err().contains("a hash"));
            assert_eq!(parse_height(&number.to_string()), Ok(number));
        }
        for wrong in ["", "+7", "4294967296"] {
            assert!(
                parse_height(wrong)
                    .unwrap_err()
                    .contains("from 0 to 4294967295")
            );
        }
    }
}
