//! What went wrong, as an error of the state.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::StateError;

pub(super) fn explain(path: &Path, error: redb::Error) -> StateError {
    let is_folder = path.is_dir();
    let folder = missing_folder(path);
    let path = path.to_path_buf();
    if let (redb::Error::Io(_), Some(folder)) = (&error, folder) {
        return StateError::NoFolder { path, folder };
    }
    match error {
        redb::Error::Io(_) if is_folder => StateError::Io {
            path,
            reason: ErrorKind::IsADirectory.into(),
        },
        redb::Error::DatabaseAlreadyOpen => StateError::Locked { path },
        redb::Error::RepairAborted => StateError::NotClosed { path },
        redb::Error::Io(source) if source.kind() == ErrorKind::InvalidData => StateError::Corrupt {
            path,
            reason: source.to_string(),
        },
        redb::Error::Io(reason) => StateError::Io { path, reason },
        redb::Error::Corrupted(reason) => StateError::Corrupt { path, reason },
        error @ (redb::Error::UpgradeRequired(_)
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

/// The folder that a file is to be in, where there is none.
fn missing_folder(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    let is_missing = !folder.as_os_str().is_empty() && !folder.exists();
    is_missing.then(|| folder.to_path_buf())
}
