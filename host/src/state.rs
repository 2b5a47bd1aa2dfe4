//! The key-value state that an indexer builds: read as it stood before a block, written once after
//! it.

mod memory;
mod multiset;
#[cfg(feature = "redb")]
mod redb;
mod tip;

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

pub use self::memory::MemoryState;
pub use self::multiset::StateHasher;
#[cfg(feature = "redb")]
pub use self::redb::{CheckedDatabase, RedbState};
pub use self::tip::{Position, Tip};
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
    /// The last writer was killed, and a reader cannot bring the file in order.
    #[error(
        "{path}: the last run ended without closing this database; bring it in order with `steadfast check-db {path}` or another run, then read it"
    )]
    NotClosed {
        /// The database file.
        path: PathBuf,
    },
    /// The state was opened for reading alone.
    #[error("{path}: this database was opened for reading alone")]
    ReadOnly {
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
    /// There is no folder for the database.
    #[error("{path}: the folder {folder} does not exist: make it first")]
    NoFolder {
        /// The database file.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
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

    /// Writes all pairs, in order, and the new tip, or nothing: where a key stands more than once,
    /// the last one holds. Without a tip the old one stays.
    ///
    /// # Errors
    ///
    /// When the store cannot be written; it then stands as before.
    fn write(&mut self, writes: &[Pair], tip: Option<Tip>) -> Result<(), StateError>;

    /// [Writes](Self::write) pairs that are no block's.
    ///
    /// # Errors
    ///
    /// As there.
    fn apply(&mut self, writes: &[Pair]) -> Result<(), StateError> {
        self.write(writes, None)
    }
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

    /// The digest of all pairs, as [`StateHasher`] computes it. The store keeps it, so no pair is
    /// read.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn digest(&self) -> Result<Digest, StateError>;

    /// The last block that was written, if there was one.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn tip(&self) -> Result<Option<Tip>, StateError>;

    /// The hash of the block that was written at a height, for one that is not above the tip.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    fn block_at(&self, height: u32) -> Result<Option<[u8; 32]>, StateError>;
}

/// The digest of a whole state, as [`StateHasher`] computes it, at constant cost.
///
/// # Errors
///
/// When the store cannot be read.
pub fn state_digest(state: &dyn State) -> Result<Digest, StateError> {
    state.snapshot()?.digest()
}

/// What a walk over a whole state finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FullDigest {
    /// SHA-256 over, for each pair in the order of the keys, the key's length (`u32`,
    /// little-endian), the key, the value's length and the value.
    pub sha256: Digest,
    /// The state's digest computed anew, which must be the one that is kept.
    pub state: Digest,
    /// Pairs.
    pub pairs: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

impl FullDigest {
    /// Reads every pair of a state.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn of(snapshot: &dyn Snapshot) -> Result<Self, StateError> {
        let mut sha256 = Sha256::new();
        let mut state = StateHasher::default();
        let (mut pairs, mut bytes) = (0, 0);
        snapshot.for_each(&mut |key, value| {
            for part in [key, value] {
                // Linear memory holds at most 4 GiB, and a store's values are shorter still.
                let length = u32::try_from(part.len()).expect("a key or value under 4 GiB");
                sha256.update(length.to_le_bytes());
                sha256.update(part);
                bytes += u64::from(length);
            }
            state.pair(key, value);
            pairs += 1;
        })?;
        Ok(FullDigest {
            sha256: Digest(sha256.finalize().into()),
            state: state.finish(),
            pairs,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_full_digest_is_as_specified() {
        let mut state = MemoryState::default();
        state.apply(&[(b"k".to_vec(), b"vv".to_vec())]).unwrap();
        let full = FullDigest::of(&*state.snapshot().unwrap()).unwrap();
        let bytes = b"\x01\0\0\0k\x02\0\0\0vv";
        assert_eq!(full.sha256.0, <[u8; 32]>::from(Sha256::digest(bytes)));
        assert_eq!(full.state, state_digest(&state).unwrap());
        assert_eq!((full.pairs, full.bytes), (1, 3));
    }
}
