//! The keys of the state, as the crate's documentation lays them down.

use sha2::{Digest, Sha256};
use steadfast::cache::HashedKey;

/// The longest key: an output's.
const MAX_BYTES: usize = 1 + OUTPOINT_BYTES;

/// A txid and an output number.
pub const OUTPOINT_BYTES: usize = 36;

/// A key of the state, held inline. It is hashed where it is made, and nowhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; MAX_BYTES],
    len: u8,
}

impl Key {
    /// The key of an output.
    pub fn output(outpoint: &[u8; OUTPOINT_BYTES]) -> HashedKey<Self> {
        Self::new(b'o', outpoint)
    }

    /// The key of a script's balance.
    pub fn script(script: &[u8]) -> HashedKey<Self> {
        Self::new(b's', &Sha256::digest(script))
    }

    /// The key of the block at `height`.
    pub fn height(height: u32) -> HashedKey<Self> {
        Self::new(b'h', &height.to_be_bytes())
    }

    fn new(kind: u8, rest: &[u8]) -> HashedKey<Self> {
        let mut bytes = [0; MAX_BYTES];
        bytes[0] = kind;
        bytes[1..=rest.len()].copy_from_slice(rest);
        HashedKey::new(Self {
            bytes,
            len: 1 + rest.len() as u8,
        })
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}
