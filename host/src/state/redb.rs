//! A state in a file: an embedded `redb` database.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, ReadableTable, TableDefinition};

use super::{Pair, Snapshot, State, StateError};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("state");

/// A state in a `redb` database, held open for this process alone.
#[derive(Debug)]
pub struct RedbState {
    database: Database,
    path: PathBuf,
}

impl RedbState {
    /// Opens the database at `path`, or makes one there. Every page's checksum is verified, so
    /// this reads the whole file: a damaged database is refused here rather than believed later.
    ///
    /// # Errors
    ///
    /// When another process has it open, or the file is damaged, foreign, or cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StateError> {
        let path = path.as_ref().to_path_buf();
        let opened = Database::builder()
            .set_check_integrity_on_open(true)
            .create(&path)
            .map_err(redb::Error::from)
            .and_then(|database| {
                create_table(&database)?;
                Ok(database)
            });
        match opened {
            Ok(database) => Ok(RedbState { database, path }),
            Err(error) => Err(explain(&path, error)),
        }
    }

    fn write(&mut self, writes: &[Pair]) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let mut table = transaction.open_table(TABLE)?;
            for (key, value) in writes {
                if value.is_empty() {
                    table.remove(key.as_slice())?;
                } else {
                    table.insert(key.as_slice(), value.as_slice())?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn read(&self) -> Result<ReadOnlyTable<&'static [u8], &'static [u8]>, redb::Error> {
        Ok(self.database.begin_read()?.open_table(TABLE)?)
    }
}

/// A reader needs the table to be there, also before the first write.
fn create_table(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(TABLE)?;
    transaction.commit()?;
    Ok(())
}

impl State for RedbState {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        let table = self.read().map_err(|error| explain(&self.path, error))?;
        let path = self.path.clone();
        Ok(Box::new(RedbSnapshot { table, path }))
    }

    fn apply(&mut self, writes: &[Pair]) -> Result<(), StateError> {
        self.write(writes)
            .map_err(|error| explain(&self.path, error))
    }
}

struct RedbSnapshot {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    path: PathBuf,
}

impl Snapshot for RedbSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        match self.table.get(key) {
            Ok(value) => Ok(value.map(|value| value.value().to_vec())),
            Err(error) => Err(explain(&self.path, error.into())),
        }
    }

    fn for_each(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), StateError> {
        let explain = |error: redb::StorageError| explain(&self.path, error.into());
        for pair in self.table.iter().map_err(explain)? {
            let (key, value) = pair.map_err(explain)?;
            visit(key.value(), value.value());
        }
        Ok(())
    }
}

fn explain(path: &Path, error: redb::Error) -> StateError {
    let path = path.to_path_buf();
    match error {
        redb::Error::DatabaseAlreadyOpen => StateError::Locked { path },
        redb::Error::Io(source) if source.kind() == ErrorKind::InvalidData => StateError::Corrupt {
            path,
            reason: source.to_string(),
        },
        redb::Error::Io(reason) => StateError::Io { path, reason },
        redb::Error::Corrupted(reason) => StateError::Corrupt { path, reason },
        error @ (redb::Error::UpgradeRequired(_)
        | redb::Error::RepairAborted
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }) => StateError::Corrupt {
            path,
            reason: error.to_string(),
        },
        error => StateError::Database {
            path,
            reason: Box::new(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Digest, MemoryState, StateHasher, state_digest};
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
            match RedbState::open(&path) {
                Ok(state) => assert_eq!(state_digest(&state).unwrap(), digest, "byte {at}"),
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
        assert!(matches!(missing, Err(StateError::Io { .. })), "{missing:?}");
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
