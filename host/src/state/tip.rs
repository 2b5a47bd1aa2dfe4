//! The block that a state is as of.

use std::fmt;

use super::{Snapshot, StateError};
use crate::digest::display_hash;
use crate::input::Input;

/// The last block that was written to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The block's height.
    pub height: u32,
    /// The block's hash; `None` of an input that is too short to have one.
    pub hash: Option<[u8; 32]>,
}

/// How a block stands to a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// It is the next one, or the state has no block yet.
    Next,
    /// It was written already.
    Written,
    /// It is above the next height.
    Gap,
    /// It is at or below the tip, and not the block that was written there.
    Other,
    /// It is at the next height, but builds on another block than the tip.
    OtherParent,
}

impl Position {
    /// How `block` stands to a state.
    ///
    /// # Errors
    ///
    /// When the state cannot be read.
    pub fn of(block: &Input, state: &dyn Snapshot) -> Result<Position, StateError> {
        let Some(tip) = state.tip()? else {
            return Ok(Position::Next);
        };
        let height = block.height();
        if height <= tip.height {
            let written = state.block_at(height)?;
            return Ok(match written.is_some() && written == block.block_hash() {
                true => Position::Written,
                false => Position::Other,
            });
        }
        if height - tip.height > 1 {
            return Ok(Position::Gap);
        }
        let parents = tip.hash.zip(block.parent_hash());
        Ok(match parents.is_some_and(|(tip, parent)| tip != parent) {
            true => Position::OtherParent,
            false => Position::Next,
        })
    }
}

impl Tip {
    /// A block as the tip that it leaves.
    #[must_use]
    pub fn of(block: &Input) -> Self {
        Tip {
            height: block.height(),
            hash: block.block_hash(),
        }
    }

    /// As it is stored: the height in little-endian order, then the hash if there is one.
    #[cfg(feature = "redb")]
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.height.to_le_bytes().to_vec();
        bytes.extend(self.hash.into_iter().flatten());
        bytes
    }

    #[cfg(feature = "redb")]
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (height, hash) = bytes.split_first_chunk()?;
        let hash = match hash {
            [] => None,
            hash => Some(hash.try_into().ok()?),
        };
        Some(Tip {
            height: u32::from_le_bytes(*height),
            hash,
        })
    }
}

/// The height, and the hash as Bitcoin's tools print it: its last byte first.
impl fmt::Display for Tip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "block {}", self.height)?;
        let Some(hash) = self.hash else {
            return Ok(());
        };
        write!(f, " ({})", display_hash(&hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{MemoryState, State};

    /// A header that builds on a block, and so has a hash of its own.
    fn block(height: u32, parent: Option<&Input>) -> Input {
        let mut header = [0; 80];
        header[..4].copy_from_slice(&height.to_le_bytes());
        if let Some(hash) = parent.and_then(Input::block_hash) {
            header[4..36].copy_from_slice(&hash);
        }
        Input::new(height, &header)
    }

    #[test]
    fn a_block_follows_the_tip_or_not() {
        let mut state = MemoryState::default();
        let first = block(7, None);
        let second = block(8, Some(&first));
        let at = |block: &Input, state: &MemoryState| {
            Position::of(block, &*state.snapshot().unwrap()).unwrap()
        };
        assert_eq!(
            at(&first, &state),
            Position::Next,
            "any block begins a state"
        );
        state.write(&[], Some(Tip::of(&first))).unwrap();
        assert_eq!(at(&first, &state), Position::Written);
        assert_eq!(at(&second, &state), Position::Next);
        assert_eq!(at(&block(8, None), &state), Position::OtherParent);
        assert_eq!(at(&block(9, Some(&second)), &state), Position::Gap);
        state.write(&[], Some(Tip::of(&second))).unwrap();
        assert_eq!(at(&first, &state), Position::Written);
        assert_eq!(at(&block(7, Some(&second)), &state), Position::Other);
        assert_eq!(at(&block(6, None), &state), Position::Other);
        assert_eq!(at(&Input::new(9, b"?"), &state), Position::Next);
        // Indexed again, the block before is the tip, and what came after it was never written.
        state.write(&[], Some(Tip::of(&first))).unwrap();
        assert_eq!(state.snapshot().unwrap().block_at(8).unwrap(), None);
        assert_eq!(at(&second, &state), Position::Next);
    }

    #[cfg(feature = "redb")]
    #[test]
    fn it_is_stored_and_read_back() {
        for hash in [None, Some([7; 32])] {
            let tip = Tip { height: 70, hash };
            assert_eq!(Tip::from_bytes(&tip.to_bytes()), Some(tip));
        }
        assert_eq!(Tip::from_bytes(&[1, 2, 3, 4, 5]), None);
        let mut hash = [0; 32];
        hash[31] = 0xab;
        let shown = Tip {
            height: 3,
            hash: Some(hash),
        }
        .to_string();
        assert!(shown.starts_with("block 3 (ab00"), "{shown}");
    }
}
