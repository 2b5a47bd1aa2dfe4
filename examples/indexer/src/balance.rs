//! What a script holds.

use crate::Error;
use alloc::vec::Vec;

/// What a script holds: the sum and the number of its unspent outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// The sum of the outputs' amounts, in satoshi.
    pub amount: u64,
    /// How many unspent outputs there are.
    pub outputs: u64,
}

impl Balance {
    /// Reads a stored value; an empty one is the balance of a script that holds nothing.
    ///
    /// # Errors
    ///
    /// A value that no balance is stored as.
    pub fn decode(value: &[u8]) -> Result<Self, Error> {
        if value.is_empty() {
            return Ok(Self::default());
        }
        match value.as_chunks() {
            ([amount, outputs], []) => Ok(Self {
                amount: u64::from_le_bytes(*amount),
                outputs: u64::from_le_bytes(*outputs),
            }),
            _ => Err(Error::DamagedState {
                what: "a balance is not 16 bytes long",
            }),
        }
    }

    /// The value to store: empty, which deletes the entry, when no output is left.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        if self.outputs == 0 {
            return Vec::new();
        }
        self.to_bytes().to_vec()
    }

    /// The amount, then the number of outputs, both little-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.amount.to_le_bytes());
        bytes[8..].copy_from_slice(&self.outputs.to_le_bytes());
        bytes
    }

    /// The balance with an output of `amount` more; nothing if the sum exceeds a `u64`.
    pub(crate) fn credited(self, amount: u64) -> Option<Self> {
        Some(Self {
            amount: self.amount.checked_add(amount)?,
            outputs: self.outputs.checked_add(1)?,
        })
    }

    /// The balance with an output of `amount` less; nothing if it cannot have held that output.
    pub(crate) fn debited(self, amount: u64) -> Option<Self> {
        let left = Self {
            amount: self.amount.checked_sub(amount)?,
            outputs: self.outputs.checked_sub(1)?,
        };
        (left.outputs > 0 || left.amount == 0).then_some(left)
    }
}
