//! The key-value state that an indexer builds: read as it stood before a block, written once after
//! it.

mod memory;
#[cfg(feature = "redb")]
mod redb;

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

pub use self::memory::MemoryState;
#[cfg(feature = "redb")]
pub use self::redb::RedbState;
pub use crate::digest::Digest;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// Why the state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Somebody else has the database open.
    #[error(
        "{path}: another process has this database open; wait for it to end or choose another path"
    )]
    Locked {
        /// The database file.
        path: PathBuf,
    },
    /// The file is not a database, or is a damaged one.
    #[error(
        "{path}: not a usable database ({reason}); restore it from a copy or choose another path"
    )]
    Corrupt {
        /// The database file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The file could not be read or written.
    #[error("{path}: {reason}")]
    Io {
        /// The database file.
        path: PathBuf,
        /// The operating system's reason. No source of this error, since its text has it already.
        reason: std::io::Error,
    },
    /// Any other failure of the database.
    #[error("{path}: {reason}")]
    Database {
        /// The database file.
        path: PathBuf,
        /// The database's reason. No source of this error, since its text has it already.
        reason: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A store of pairs in which a key without a value and a key with an empty one are the same: an
/// empty value is a deletion.
pub trait State {
    /// The state as it stands now. Later writes do not show in it.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError>;

    /// Writes all pairs, in order, or none: where a key stands more than once, the last one holds.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; it then stands as before.
    fn apply(&mut self, writes: &[Pair]) -> Result<(), StateError>;
}

/// A state at one moment.
pub trait Snapshot: Send {
    /// The value of a key; `None` if it has none. A value is never empty.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError>;

    /// Shows every pair, in the order of the keys' bytes.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StateError>;
}

/// Digests pairs that come in the order of their keys: SHA-256 over, for each, the key's length
/// (`u32`, little-endian), the key, the value's length and the value.
#[derive(Clone, Debug, Default)]
pub struct StateHasher(Sha256);

impl StateHasher {
    /// Adds the next pair.
    pub fn pair(&mut self, key: &[u8], value: &[u8]) {
        for bytes in [key, value] {
            // Linear memory holds at most 4 GiB, and a store's values are shorter still.
            let length = u32::try_from(bytes.len()).expect("a key or value under 4 GiB");
            self.0.update(length.to_le_bytes());
            self.0.update(bytes);
        }
    }

    /// The digest of the pairs added.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// The digest of a whole state, as [`StateHasher`] computes it. Reads every pair.
///
/// # Errors
///
/// When the store cannot be read.
pub fn state_digest(state: &dyn State) -> Result<Digest, StateError> {
    let mut hasher = StateHasher::default();
    state
        .snapshot()?
        .for_each(&mut |key, value| hasher.pair(key, value))?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_as_specified() {
        let mut hasher = StateHasher::default();
        hasher.pair(b"k", b"vv");
        let bytes = b"\x01\0\0\0k\x02\0\0\0vv";
        assert_eq!(hasher.finish().0, <[u8; 32]>::from(Sha256::digest(bytes)));
    }
}
