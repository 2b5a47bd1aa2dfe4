//! Files and directories that must not outlive the process, also where it is told to stop at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

static LIVE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A path that is removed when this is dropped, or by [`remove_all`].
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Takes charge of a path, which may exist or not.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        live().push(path.clone());
        Scratch(path)
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.0);
        live().retain(|path| path != &self.0);
    }
}

/// Removes all of them. For a process that exits without dropping them.
pub fn remove_all() {
    live().drain(..).for_each(|path| remove(&path));
}

fn live() -> MutexGuard<'static, Vec<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(path: &Path) {
    // What is gone already, or cannot be removed, is nothing that the caller could help.
    let _ = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_removed_at_once_or_when_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "c"].map(|name| directory.path().join(name));
        fs::write(&paths[0], "x").unwrap();
        fs::create_dir(&paths[1]).unwrap();
        fs::write(paths[1].join("inner"), "x").unwrap();
        drop(Scratch::new(paths[0].clone()));
        assert!(!paths[0].exists());
        let held = [1, 2].map(|at| Scratch::new(paths[at].clone()));
        remove_all();
        assert!(!paths[1].exists());
        drop(held);
    }
}
