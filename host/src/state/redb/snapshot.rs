//! The database at one moment.

use std::path::PathBuf;

use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::{BLOCKS, DIGEST, PAIRS, TIP, explain, kept, stored_digest, table};
use crate::state::{Digest, FullDigest, Snapshot, StateError, Tip};

pub(super) struct RedbSnapshot {
    /// A reader may meet a database whose writer has made no table yet.
    pairs: Option<ReadOnlyTable<&'static [u8], &'static [u8]>>,
    transaction: ReadTransaction,
    path: PathBuf,
}

impl RedbSnapshot {
    pub(super) fn new(transaction: ReadTransaction, path: PathBuf) -> Result<Self, redb::Error> {
        Ok(RedbSnapshot {
            pairs: table(&transaction, PAIRS)?,
            transaction,
            path,
        })
    }

    /// The digest that stands in the database.
    pub(super) fn kept_digest(&self) -> Result<Option<Digest>, StateError> {
        let digest = kept(&self.transaction, DIGEST).and_then(stored_digest);
        match digest {
            Ok(digest) => Ok(digest.map(|digest| digest.finish())),
            Err(error) => Err(explain(&self.path, error)),
        }
    }
}

impl Snapshot for RedbSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let Some(pairs) = &self.pairs else {
            return Ok(None);
        };
        match pairs.get(key) {
            Ok(value) => Ok(value.map(|value| value.value().to_vec())),
            Err(error) => Err(explain(&self.path, error.into())),
        }
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StateError> {
        let explain = |error: redb::StorageError| explain(&self.path, error.into());
        let Some(pairs) = &self.pairs else {
            return Ok(());
        };
        for pair in pairs.iter().map_err(explain)? {
            let (key, value) = pair.map_err(explain)?;
            visit(key.value(), value.value());
        }
        Ok(())
    }

    fn digest(&self) -> Result<Digest, StateError> {
        match self.kept_digest()? {
            Some(digest) => Ok(digest),
            // No writer of this version has opened it yet.
            None => Ok(FullDigest::of(self)?.state),
        }
    }

    fn tip(&self) -> Result<Option<Tip>, StateError> {
        let corrupt = || StateError::Corrupt {
            path: self.path.clone(),
            reason: "the tip is no block's".into(),
        };
        match kept(&self.transaction, TIP) {
            Ok(bytes) => bytes
                .map(|bytes| Tip::from_bytes(&bytes).ok_or_else(corrupt))
                .transpose(),
            Err(error) => Err(explain(&self.path, error)),
        }
    }

    fn block_at(&self, height: u32) -> Result<Option<[u8; 32]>, StateError> {
        let hash = || -> Result<Option<[u8; 32]>, redb::Error> {
            let Some(blocks) = table(&self.transaction, BLOCKS)? else {
                return Ok(None);
            };
            Ok(blocks.get(height)?.map(|hash| hash.value()))
        };
        hash().map_err(|error| explain(&self.path, error))
    }
}
