//! What a guest is given to index: a height and the bytes of a block.

mod block_files;
mod error;
mod file;
mod mark;
mod other_chain;
mod stream;
mod walk;

use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::bounds::Bounds;

pub use self::error::InputError;
pub use self::mark::{Mark, parse_height};
pub use self::stream::Inputs;
use self::walk::Walk;

/// Bytes of the height that metashrew puts in front of a block.
const HEIGHT_BYTES: usize = 4;

/// Bytes of a block's header, and where the hash of the block before stands in it.
const BLOCK_HEADER_BYTES: usize = 80;
const PARENT_AT: usize = 4;

/// One block, in the form in which a guest reads it: the height as a little-endian `u32`, and then
/// the serialised block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    name: String,
    bytes: Arc<[u8]>,
    /// Whether the bytes are a block of Bitcoin's form, as far as anybody looked.
    is_bitcoin: bool,
}

impl Input {
    /// An input of a height and bytes that are not checked to form a block: for views, whose
    /// arguments come this way, and for blocks that the caller knows.
    pub fn new(height: u32, bytes: &[u8]) -> Self {
        Input {
            name: format!("input at height {height}"),
            bytes: [&height.to_le_bytes()[..], bytes].concat().into(),
            is_bitcoin: true,
        }
    }

    /// An input of any bytes, for guests that read something else than Bitcoin. Its hash is of all
    /// bytes, and it names no parent.
    pub fn raw(name: impl Into<String>, height: u32, bytes: &[u8]) -> Self {
        Input {
            name: name.into(),
            is_bitcoin: false,
            ..Input::new(height, bytes)
        }
    }

    /// Reads a file that holds one block: serialised, or that with its height in front, or in
    /// hexadecimal.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or is longer than any block, when it is a pipe that gives none
    /// in 60 seconds, and as [`Input::parse`] has it.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, InputError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let mut reader = file::BlockReader::open(path, &Bounds::default())?;
        let bytes = reader.next_block()?;
        let first = bytes.ok_or_else(|| InputError::Empty { name: name.clone() })?;
        match reader.next_block()? {
            None => Input::parse(name, &first),
            Some(_) => Err(InputError::Hexadecimal {
                name,
                reason: "there is more than one line".into(),
            }),
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
                Some(height) => Ok(Input::new(height, bytes).named(name)),
                None => Err(InputError::NoHeight { name }),
            };
        }
        let block = bytes.get(HEIGHT_BYTES..).unwrap_or_default();
        let behind_height = Walk::over(block);
        if behind_height.is_whole() {
            return Ok(Input {
                name,
                bytes: bytes.into(),
                is_bitcoin: true,
            });
        }
        let chain = other_chain::seems(bytes, &raw);
        if let Some(chain) = chain.or_else(|| other_chain::seems(block, &behind_height)) {
            return Err(InputError::OtherChain { name, chain });
        }
        // The way of reading that came further is what the file was meant to be.
        if behind_height.whole > raw.whole {
            Err(behind_height.error(name, bytes.len()))
        } else {
            Err(raw.error(name, bytes.len()))
        }
    }

    fn named(self, name: String) -> Self {
        Input { name, ..self }
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

    /// The block's hash: SHA-256, twice, of its header, and of all bytes of a [raw](Self::raw)
    /// input. `None` of an input that is too short to have a header.
    #[must_use]
    pub fn block_hash(&self) -> Option<[u8; 32]> {
        let hashed = match self.is_bitcoin {
            true => self.header()?,
            false => &self.bytes[HEIGHT_BYTES..],
        };
        Some(Sha256::digest(Sha256::digest(hashed)).into())
    }

    /// The hash of the block that it builds on, as its header has it. `None` of a [raw](Self::raw)
    /// input.
    #[must_use]
    pub fn parent_hash(&self) -> Option<[u8; 32]> {
        let header = self.header().filter(|_| self.is_bitcoin)?;
        header[PARENT_AT..].first_chunk().copied()
    }

    fn header(&self) -> Option<&[u8]> {
        self.bytes
            .get(HEIGHT_BYTES..HEIGHT_BYTES + BLOCK_HEADER_BYTES)
    }

    /// The same block at another height.
    #[must_use]
    pub fn at_height(&self, height: u32) -> Self {
        let block = &self.bytes[HEIGHT_BYTES..];
        Input {
            name: self.name.clone(),
            bytes: [&height.to_le_bytes()[..], block].concat().into(),
            is_bitcoin: self.is_bitcoin,
        }
    }

    /// The height, and then the block.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_raw_input_has_a_hash_of_its_own_and_no_parent() {
        let bytes = [7; 100];
        let raw = Input::raw("raw", 5, &bytes);
        assert_eq!((raw.height(), raw.parent_hash()), (5, None));
        assert_eq!(raw.bytes()[4..], bytes);
        let longer = Input::raw("raw", 5, &[7; 101]);
        assert_ne!(raw.block_hash(), longer.block_hash());
        assert!(Input::raw("short", 5, b"?").block_hash().is_some());
    }
}
