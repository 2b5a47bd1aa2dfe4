//! A state in a file: an embedded `redb` database.
//!
//! One process writes; any number of others read meanwhile. Every commit records which pages are
//! free, so opening after a kill needs no walk over the file.

mod error;
mod snapshot;

use std::fmt;
use std::path::{Path, PathBuf};

use redb::{
    Builder, ConcurrencyMode, Database, Durability, Key, ReadOnlyDatabase, ReadOnlyTable,
    ReadTransaction, ReadableDatabase, ReadableTable, TableDefinition, TableError, Value,
    WriteTransaction,
};

use self::error::explain;
use self::snapshot::RedbSnapshot;
use super::multiset::Change;
use super::{Digest, FullDigest, Pair, Snapshot, State, StateError, StateHasher, Tip};

const PAIRS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("state");

/// What is kept beside the pairs.
const KEPT: TableDefinition<&str, &[u8]> = TableDefinition::new("kept");
const DIGEST: &str = "digest";
const TIP: &str = "tip";

/// The hash of the block at each height up to the tip's.
const BLOCKS: TableDefinition<u32, [u8; 32]> = TableDefinition::new("blocks");

/// Bytes of pages that this process holds, however large the file is. What it lacks comes from the
/// operating system's own cache.
const PAGE_CACHE_BYTES: usize = 48 << 20;

/// A state in a `redb` database.
pub struct RedbState {
    database: Opened,
    path: PathBuf,
}

enum Opened {
    ForWriting(Database),
    ForReading(ReadOnlyDatabase),
}

/// What [`RedbState::check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckedDatabase {
    /// The digests of all pairs.
    pub digest: FullDigest,
    /// The state's digest as it was kept; `None` in a database that kept none.
    pub kept: Option<Digest>,
    /// The last block.
    pub tip: Option<Tip>,
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder
        .set_cache_size(PAGE_CACHE_BYTES)
        .set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

impl RedbState {
    /// Opens the database at `path` for writing, or makes one there. Reads a few pages of it,
    /// whatever its size; [`RedbState::check`] reads it whole. A database that an earlier
    /// version made has no digest yet: then this reads every pair, once.
    ///
    /// # Errors
    ///
    /// When another process has it open for writing, or the file is foreign or cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StateError> {
        let path = path.as_ref();
        let opened = builder()
            .create(path)
            .map_err(redb::Error::from)
            .and_then(|database| {
                prepare(&database)?;
                Ok(Opened::ForWriting(database))
            });
        RedbState::opened(path, opened)
    }

    /// Opens the database at `path` for reading alone, also beside a process that writes to it, and
    /// from a place that cannot be written to.
    ///
    /// # Errors
    ///
    /// When there is none, when the last writer was killed before it closed it, and as in
    /// [`open`](Self::open).
    pub fn open_read_only(path: impl AsRef<Path>) -> Result<Self, StateError> {
        let path = path.as_ref();
        let opened = builder()
            .open_read_only(path)
            .map_err(redb::Error::from)
            .map(Opened::ForReading);
        RedbState::opened(path, opened)
    }

    /// Brings the database at `path` in order where that is needed, and reads it whole: verifies
    /// the checksum of every page, and computes the digests of all pairs anew.
    ///
    /// # Errors
    ///
    /// When a page is damaged, and as in [`open`](Self::open). A kept digest that is wrong is no
    /// error here: compare.
    pub fn check(path: impl AsRef<Path>) -> Result<CheckedDatabase, StateError> {
        let path = path.as_ref();
        let opened = builder()
            .set_check_integrity_on_open(true)
            .open(path)
            .map_err(redb::Error::from)
            .map(Opened::ForWriting);
        let state = RedbState::opened(path, opened)?;
        let snapshot = state.read()?;
        Ok(CheckedDatabase {
            digest: FullDigest::of(&snapshot)?,
            kept: snapshot.kept_digest()?,
            tip: snapshot.tip()?,
        })
    }

    fn opened(path: &Path, opened: Result<Opened, redb::Error>) -> Result<Self, StateError> {
        let path = path.to_path_buf();
        match opened {
            Ok(database) => Ok(RedbState { database, path }),
            Err(error) => Err(explain(&path, error)),
        }
    }

    fn try_write(&self, writes: &[Pair], tip: Option<Tip>) -> Result<(), StateError> {
        match &self.database {
            Opened::ForWriting(database) => {
                write(database, writes, tip).map_err(|error| explain(&self.path, error))
            }
            Opened::ForReading(_) => Err(StateError::ReadOnly {
                path: self.path.clone(),
            }),
        }
    }

    fn read(&self) -> Result<RedbSnapshot, StateError> {
        let transaction = match &self.database {
            Opened::ForWriting(database) => database.begin_read(),
            Opened::ForReading(database) => database.begin_read(),
        };
        let path = self.path.clone();
        transaction
            .map_err(redb::Error::from)
            .and_then(|transaction| RedbSnapshot::new(transaction, path))
            .map_err(|error| explain(&self.path, error))
    }
}

impl fmt::Debug for RedbState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = &mut f.debug_struct("RedbState");
        fields.field("path", &self.path).finish_non_exhaustive()
    }
}

impl State for RedbState {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        Ok(Box::new(self.read()?))
    }

    fn write(&mut self, writes: &[Pair], tip: Option<Tip>) -> Result<(), StateError> {
        self.try_write(writes, tip)
    }
}

/// Makes the tables of a new database, and the digest of one that has none yet.
fn prepare(database: &Database) -> Result<(), redb::Error> {
    let reading = database.begin_read()?;
    let pairs = table(&reading, PAIRS)?;
    if pairs.is_some() && kept(&reading, DIGEST)?.is_some() {
        return Ok(());
    }
    let mut digest = StateHasher::default();
    if let Some(pairs) = pairs {
        for pair in pairs.iter()? {
            let (key, value) = pair?;
            digest.pair(key.value(), value.value());
        }
    }
    let transaction = begin(database)?;
    transaction.open_table(PAIRS)?;
    transaction
        .open_table(KEPT)?
        .insert(DIGEST, &digest.to_bytes()[..])?;
    Ok(transaction.commit()?)
}

fn begin(database: &Database) -> Result<WriteTransaction, redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction.set_quick_repair(true);
    Ok(transaction)
}

fn write(database: &Database, writes: &[Pair], tip: Option<Tip>) -> Result<(), redb::Error> {
    let transaction = begin(database)?;
    {
        let mut pairs = transaction.open_table(PAIRS)?;
        let mut changes = Vec::with_capacity(writes.len());
        // Neighbours are written together, while their pages are at hand. Of equal keys the order
        // stays.
        let mut sorted: Vec<&Pair> = writes.iter().collect();
        sorted.sort_by_key(|(key, _)| key);
        for (key, value) in sorted {
            let new = (!value.is_empty()).then_some(value.as_slice());
            let old = match new {
                Some(value) => pairs.insert(key.as_slice(), value)?,
                None => pairs.remove(key.as_slice())?,
            };
            let old = old.map(|old| old.value().to_vec());
            changes.push(Change { key, old, new });
        }
        let mut kept = transaction.open_table(KEPT)?;
        let mut digest = stored_digest(kept.get(DIGEST)?.map(|found| found.value().to_vec()))?
            .unwrap_or_default();
        digest.apply(&changes);
        kept.insert(DIGEST, &digest.to_bytes()[..])?;
        if let Some(tip) = tip {
            kept.insert(TIP, tip.to_bytes().as_slice())?;
            let mut blocks = transaction.open_table(BLOCKS)?;
            blocks.retain_in(tip.height.., |_, _| false)?;
            if let Some(hash) = tip.hash {
                blocks.insert(tip.height, hash)?;
            }
        }
    }
    Ok(transaction.commit()?)
}

/// A table, where a writer has made it.
fn table<K: Key + 'static, V: Value + 'static>(
    transaction: &ReadTransaction,
    table: TableDefinition<K, V>,
) -> Result<Option<ReadOnlyTable<K, V>>, redb::Error> {
    match transaction.open_table(table) {
        Ok(table) => Ok(Some(table)),
        Err(TableError::TableDoesNotExist(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What is kept under a name; a database of an earlier version keeps nothing.
fn kept(transaction: &ReadTransaction, name: &str) -> Result<Option<Vec<u8>>, redb::Error> {
    let Some(kept) = table(transaction, KEPT)? else {
        return Ok(None);
    };
    Ok(kept.get(name)?.map(|found| found.value().to_vec()))
}

fn stored_digest(bytes: Option<Vec<u8>>) -> Result<Option<StateHasher>, redb::Error> {
    let read = |bytes: Vec<u8>| {
        let bytes = bytes.as_slice().try_into();
        let bytes =
            bytes.map_err(|_| redb::Error::Corrupted("the digest has another length".into()));
        Ok(StateHasher::from_bytes(bytes?))
    };
    bytes.map(read).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{MemoryState, state_digest};
    use std::fs;

    /// Writes that overwrite, delete, delete what is not there, and repeat a key.
    fn batches() -> Vec<Vec<Pair>> {
        let pair = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        vec![
            vec![
                pair("b", "1"),
                pair("a", "2"),
                pair("c", "3"),
                pair("", "root"),
            ],
            vec![pair("a", ""), pair("z", ""), pair("b", "4"), pair("b", "5")],
            vec![
                pair("c", "6"),
                pair("c", ""),
                pair("aa", ""),
                pair("aa", "7"),
            ],
        ]
    }

    fn expected() -> Digest {
        let mut hasher = StateHasher::default();
        for (key, value) in [("", "root"), ("aa", "7"), ("b", "5")] {
            hasher.pair(key.as_bytes(), value.as_bytes());
        }
        hasher.finish()
    }

    /// A database of some 300 pairs, closed.
    fn database(path: &Path) -> Digest {
        let mut state = RedbState::open(path).unwrap();
        for round in 0..3u8 {
            let pairs: Vec<Pair> = (0..100u8)
                .map(|key| (vec![round, key], vec![key | 1; 40]))
                .collect();
            state.apply(&pairs).unwrap();
        }
        state_digest(&state).unwrap()
    }

    #[test]
    fn a_damaged_database_is_refused_or_unharmed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let digest = database(&path);
        let whole = fs::read(&path).unwrap();
        let mut refused = 0;
        // Most of the file is unused: look closely at its beginning and loosely at the rest.
        for at in (0..512)
            .chain((512..65536).step_by(509))
            .chain((65536..whole.len()).step_by(65537))
        {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            fs::write(&path, &damaged).unwrap();
            match RedbState::check(&path) {
                Ok(found) => {
                    assert_eq!(found.digest.state, digest, "byte {at}");
                    assert_eq!(found.kept, Some(digest), "byte {at}");
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.to_string().lines().count(), 1, "{error}");
                }
            }
        }
        assert!(refused > 0);
    }

    #[test]
    fn a_second_opener_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let held = RedbState::open(&path).unwrap();
        let second = RedbState::open(&path);
        assert!(
            matches!(second, Err(StateError::Locked { .. })),
            "{second:?}"
        );
        drop(held);
        RedbState::open(&path).unwrap();
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_told() {
        let missing = RedbState::open("/nonexistent/state");
        let told = missing.unwrap_err().to_string();
        assert!(
            told.ends_with("/nonexistent does not exist: make it first"),
            "{told}"
        );
        let folder = tempfile::tempdir().unwrap();
        for opened in [
            RedbState::open(folder.path()),
            RedbState::open_read_only(folder.path()),
        ] {
            let told = opened.unwrap_err().to_string();
            assert!(told.ends_with("is a directory"), "{told}");
        }
    }

    #[test]
    fn a_database_of_another_program_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        const OTHER: TableDefinition<u64, u64> = TableDefinition::new("state");
        let database = Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(OTHER).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let foreign = RedbState::open(&path);
        assert!(
            matches!(foreign, Err(StateError::Corrupt { .. })),
            "{foreign:?}"
        );
    }

    #[test]
    fn the_digest_is_the_same_in_every_store() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.redb");
        let mut memory = MemoryState::default();
        {
            let mut stored = RedbState::open(&path).unwrap();
            for batch in batches() {
                memory.apply(&batch).unwrap();
                stored.apply(&batch).unwrap();
                assert_eq!(
                    state_digest(&memory).unwrap(),
                    state_digest(&stored).unwrap()
                );
            }
        }
        assert_eq!(state_digest(&memory).unwrap(), expected());
        let reopened = RedbState::open(&path).unwrap();
        assert_eq!(state_digest(&reopened).unwrap(), expected());
    }

    fn snapshots_stand_still(state: &mut dyn State) {
        state.apply(&[(b"k".to_vec(), b"old".to_vec())]).unwrap();
        let before = state.snapshot().unwrap();
        state
            .apply(&[(b"k".to_vec(), b"new".to_vec()), (b"l".to_vec(), vec![1])])
            .unwrap();
        assert_eq!(before.get(b"k").unwrap().as_deref(), Some(&b"old"[..]));
        assert_eq!(before.get(b"l").unwrap(), None);
        let after = state.snapshot().unwrap();
        assert_eq!(after.get(b"k").unwrap().as_deref(), Some(&b"new"[..]));
        state.apply(&[(b"k".to_vec(), vec![])]).unwrap();
        assert_eq!(state.snapshot().unwrap().get(b"k").unwrap(), None);
    }

    #[test]
    fn a_snapshot_does_not_see_later_writes() {
        snapshots_stand_still(&mut MemoryState::default());
        let directory = tempfile::tempdir().unwrap();
        let mut stored = RedbState::open(directory.path().join("s")).unwrap();
        snapshots_stand_still(&mut stored);
    }
}
