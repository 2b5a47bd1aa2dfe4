//! What went wrong, as an error of the state.

use std::io::ErrorKind;
use std::path::Path;

use super::StateError;
use crate::file::directory_of;

pub(super) fn explain(path: &Path, error: redb::Error) -> StateError {
    let folder = directory_of(path).to_path_buf();
    let path = path.to_path_buf();
    match error {
        redb::Error::Io(_) if !folder.exists() => StateError::NoFolder { path, folder },
        redb::Error::Io(_) if path.is_dir() => StateError::Io {
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
