//! What a guest is given to index: a height and a serialised Bitcoin block.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use bitcoin_slices::{Visit, Visitor, bsl};
use sha2::{Digest as _, Sha256};

/// Bytes of the height that metashrew puts in front of a block.
const HEIGHT_BYTES: usize = 4;

/// The longest file that is read. Bitcoin's blocks have at most 4 MB.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Bytes of a block's header, and where the hash of the block before stands in it.
const BLOCK_HEADER_BYTES: usize = 80;
const PARENT_AT: usize = 4;

/// One block, in the form in which a guest reads it: the height as a little-endian `u32`, and then
/// the serialised block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    name: String,
    bytes: Arc<[u8]>,
}

/// Why a file is not a block.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file could not be read.
    #[error("{name}: {reason}")]
    Io {
        /// The file.
        name: String,
        /// The operating system's reason. No source of this error, since its text has it already.
        reason: io::Error,
    },
    /// The file is longer than any block.
    #[error("{name}: the file has more than {most} bytes, so it is no block", most = MAX_FILE_BYTES)]
    TooLarge {
        /// The file.
        name: String,
    },
    /// The bytes are hexadecimal digits.
    #[error(
        "{name}: the file holds hexadecimal digits, and a block's bytes are expected; convert it: xxd -r -p FILE > block.bin"
    )]
    Hexadecimal {
        /// The file.
        name: String,
    },
    /// The file holds nothing.
    #[error(
        "{name}: the file is empty; a serialised block is expected, with or without its height in front"
    )]
    Empty {
        /// The file.
        name: String,
    },
    /// The block ends before it is complete.
    #[error(
        "{name}: the block is cut short after {whole} of {claimed} transactions ({bytes} bytes)"
    )]
    Truncated {
        /// The file.
        name: String,
        /// Transactions that are complete.
        whole: usize,
        /// Transactions that the block claims to hold; 0 if it ends before it says.
        claimed: usize,
        /// Bytes in the file.
        bytes: usize,
    },
    /// Bytes follow the last transaction.
    #[error("{name}: {left} bytes are left over after the last of {transactions} transactions")]
    TrailingBytes {
        /// The file.
        name: String,
        /// Transactions read.
        transactions: usize,
        /// Bytes left.
        left: usize,
    },
    /// The bytes do not form a block.
    #[error("{name}: not a serialised block: {reason}")]
    Malformed {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The block does not tell its height.
    #[error(
        "{name}: the block does not tell its height (no BIP 34 height in its first transaction); put the height in front, as a little-endian u32"
    )]
    NoHeight {
        /// The file.
        name: String,
    },
}

impl Input {
    /// An input of a height and bytes that are not checked to form a block: for views, whose
    /// arguments come this way, and for guests that read something else than Bitcoin.
    pub fn new(height: u32, bytes: &[u8]) -> Self {
        Input {
            name: format!("input at height {height}"),
            bytes: [&height.to_le_bytes()[..], bytes].concat().into(),
        }
    }

    /// Reads a file that holds either a raw block or a block with its height in front.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is longer than any block, and as [`Input::parse`] has it.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, InputError> {
        let name = path.as_ref().display().to_string();
        // One byte more than is allowed, from a file that may have no end.
        let mut bytes = Vec::new();
        let read =
            File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() as u64 > MAX_FILE_BYTES => Err(InputError::TooLarge { name }),
            Ok(_) => Input::parse(name, &bytes),
            Err(reason) => Err(InputError::Io { name, reason }),
        }
    }

    /// Takes bytes that hold either a raw block, whose height its first transaction tells
    /// (BIP 34), or a block with its height in front. Which of the two they are is told by parsing
    /// them whole.
    ///
    /// # Errors
    ///
    /// When the bytes are empty, or form no block, less than one, or more than one in either way;
    /// when a raw block does not tell its height.
    pub fn parse(name: impl Into<String>, bytes: &[u8]) -> Result<Self, InputError> {
        let name = name.into();
        if bytes.is_empty() {
            return Err(InputError::Empty { name });
        }
        let raw = Walk::over(bytes);
        if raw.is_whole() {
            return match raw.height {
                Some(height) => Ok(Input {
                    bytes: [&height.to_le_bytes()[..], bytes].concat().into(),
                    name,
                }),
                None => Err(InputError::NoHeight { name }),
            };
        }
        let behind_height = Walk::over(bytes.get(HEIGHT_BYTES..).unwrap_or_default());
        if behind_height.is_whole() {
            return Ok(Input {
                name,
                bytes: bytes.into(),
            });
        }
        if is_hexadecimal(bytes) {
            return Err(InputError::Hexadecimal { name });
        }
        // The way of reading that came further is what the file was meant to be.
        if behind_height.whole > raw.whole {
            Err(behind_height.error(name, bytes.len()))
        } else {
            Err(raw.error(name, bytes.len()))
        }
    }

    /// What messages call this input: the file's path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The block's height.
    pub fn height(&self) -> u32 {
        let height = self.bytes[..HEIGHT_BYTES].try_into();
        u32::from_le_bytes(height.expect("every constructor puts the height in front"))
    }

    /// The block's hash: that of its header, twice through SHA-256. `None` of an input that is too short for one.
    #[must_use]
    pub fn block_hash(&self) -> Option<[u8; 32]> {
        let header = self.header()?;
        Some(Sha256::digest(Sha256::digest(header)).into())
    }

    /// The hash of the block that it builds on, as its header has it.
    #[must_use]
    pub fn parent_hash(&self) -> Option<[u8; 32]> {
        self.header()?[PARENT_AT..].first_chunk().copied()
    }

    fn header(&self) -> Option<&[u8; BLOCK_HEADER_BYTES]> {
        self.bytes[HEIGHT_BYTES..].first_chunk()
    }

    /// The same block at another height.
    #[must_use]
    pub fn at_height(&self, height: u32) -> Self {
        let block = &self.bytes[HEIGHT_BYTES..];
        Input {
            name: self.name.clone(),
            bytes: [&height.to_le_bytes()[..], block].concat().into(),
        }
    }

    /// The height, and then the block.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

/// Whether text holds hexadecimal digits and white space alone.
fn is_hexadecimal(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_hexdigit)
        && text
            .iter()
            .all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace())
}

/// What one pass over a block's bytes finds.
#[derive(Default)]
struct Walk {
    /// Transactions that the block claims to hold.
    claimed: usize,
    /// Transactions that are complete.
    whole: usize,
    /// The height that the first transaction tells.
    height: Option<u32>,
    /// The result: bytes left over, or what stopped the pass.
    end: Option<Result<usize, bitcoin_slices::Error>>,
}

impl Walk {
    fn over(bytes: &[u8]) -> Walk {
        let mut walk = Walk::default();
        let end = bsl::Block::visit(bytes, &mut walk).map(|parsed| parsed.remaining().len());
        walk.end = Some(end);
        let version = bytes.first_chunk().copied().map(i32::from_le_bytes);
        if version.is_none_or(|version| version < 2) {
            // Blocks before version 2 have no height where BIP 34 puts it.
            walk.height = None;
        }
        walk
    }

    /// Exactly one block, with at least the transaction that every block has.
    fn is_whole(&self) -> bool {
        self.end == Some(Ok(0)) && self.whole > 0
    }

    fn error(self, name: String, bytes: usize) -> InputError {
        use bitcoin_slices::Error;
        let reason = match self.end {
            Some(Ok(_)) if self.whole == 0 => "it holds no transaction".to_string(),
            Some(Ok(left)) => {
                return InputError::TrailingBytes {
                    name,
                    transactions: self.whole,
                    left,
                };
            }
            Some(Err(Error::MoreBytesNeeded)) | None => {
                return InputError::Truncated {
                    name,
                    whole: self.whole,
                    claimed: self.claimed,
                    bytes,
                };
            }
            Some(Err(Error::NonMinimalVarInt)) => self.at("a count is not in its shortest form"),
            Some(Err(ref error)) => self.at(&format!("{error:?}")),
        };
        InputError::Malformed { name, reason }
    }

    fn at(&self, what: &str) -> String {
        format!(
            "{what}, after {} of {} transactions",
            self.whole, self.claimed
        )
    }
}

impl Visitor for Walk {
    fn visit_block_begin(&mut self, total_transactions: usize) {
        self.claimed = total_transactions;
    }

    fn visit_tx_in(&mut self, vin: usize, tx_in: &bsl::TxIn<'_>) -> ControlFlow<()> {
        if self.whole == 0 && vin == 0 {
            self.height = bip34_height(tx_in.script_sig());
        }
        ControlFlow::Continue(())
    }

    fn visit_transaction(&mut self, _: &bsl::Transaction<'_>) -> ControlFlow<()> {
        self.whole += 1;
        ControlFlow::Continue(())
    }
}

/// The height that a coinbase's script begins with (BIP 34): the shortest push of a number.
fn bip34_height(script: &[u8]) -> Option<u32> {
    const OP_0: u8 = 0x00;
    const OP_1: u8 = 0x51;
    const OP_16: u8 = 0x60;
    let (&first, rest) = script.split_first()?;
    match first {
        OP_0 => Some(0),
        OP_1..=OP_16 => Some(u32::from(first - OP_1) + 1),
        1..=5 => {
            let number = rest.get(..usize::from(first))?;
            let (&top, low) = number.split_last()?;
            // The top bit is the sign; a leading zero byte stands only where it keeps that clear.
            let negative = top & 0x80 != 0;
            let padded = top == 0 && low.last().is_none_or(|byte| byte & 0x80 == 0);
            if negative || padded {
                return None;
            }
            let mut bytes = [0; 8];
            bytes[..number.len()].copy_from_slice(number);
            u32::try_from(u64::from_le_bytes(bytes)).ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_read_as_bip_34_has_them() {
        assert_eq!(bip34_height(&[0x00]), Some(0));
        assert_eq!(bip34_height(&[0x51]), Some(1));
        assert_eq!(bip34_height(&[0x60]), Some(16));
        assert_eq!(bip34_height(&[0x01, 0x11]), Some(17));
        assert_eq!(bip34_height(&[0x02, 0x80, 0x00]), Some(128));
        assert_eq!(bip34_height(&[0x03, 0x8d, 0xb9, 0x0a, 0xff]), Some(702_861));
        let five = [0x05, 0xff, 0xff, 0xff, 0xff, 0x00];
        assert_eq!(bip34_height(&five), Some(u32::MAX));
    }

    #[test]
    fn the_header_tells_the_blocks_hash_and_its_parents() {
        // Mainnet block 1, which builds on the genesis block.
        let header = "010000006fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000982051fd1e4ba744bbbe680e1fee14677ba1a3c3540bf7b1cdb606e857233e0e61bc6649ffff001d01e36299";
        let decode = |text: &str| -> Vec<u8> {
            let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
            (0..text.len()).step_by(2).map(digits).collect()
        };
        let input = Input::new(1, &decode(header));
        let reversed = |mut hash: [u8; 32]| {
            hash.reverse();
            hash.to_vec()
        };
        assert_eq!(
            reversed(input.block_hash().unwrap()),
            decode("00000000839a8e6886ab5951d76f411475428afc90947ee320161bbf18eb6048")
        );
        assert_eq!(
            reversed(input.parent_hash().unwrap()),
            decode("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f")
        );
        assert_eq!(Input::new(1, &[0; 79]).block_hash(), None);
    }

    #[test]
    fn a_script_without_a_height_has_none() {
        for script in [
            &[][..],
            &[0x03, 1, 2],
            &[0x01, 0x80],
            &[0x02, 0x11, 0x00],
            &[0x01, 0x00],
            &[0x05, 0, 0, 0, 0, 1],
            &[0x06, 1, 1, 1, 1, 1, 1],
            &[0x4c, 0x01, 0x11],
        ] {
            assert_eq!(bip34_height(script), None, "{script:x?}");
        }
    }
}
