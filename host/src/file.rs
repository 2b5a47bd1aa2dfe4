//! Files of which nobody knows how long they are, and how long they take.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::bounds::{Bound, Bounds, Exceeded};

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system's reason.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is too long, or took too long.
    #[error(transparent)]
    Bound(#[from] Exceeded),
}

/// Reads a file whole. A pipe, a terminal or a device is waited for as long as [`Bound::FileSeconds`] says.
///
/// # Errors
///
/// When it cannot be read, and when it has more bytes than the bound or takes longer.
pub fn read_within(path: &Path, bound: Bound, bounds: &Bounds) -> Result<Vec<u8>, FileError> {
    let most = bounds.most(bound);
    let read = move |path: &Path| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?
            .take(most.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = if path.metadata()?.is_file() {
        bounds.check(bound, path.metadata()?.len())?;
        read(path)?
    } else {
        // Opening a pipe that nobody writes to waits for ever, and nothing ends it but the process.
        let (sender, received) = mpsc::channel();
        let path = path.to_path_buf();
        thread::Builder::new()
            .name("steadfast-file".into())
            .spawn(move || drop(sender.send(read(&path))))?;
        let limit = Duration::from_secs(bounds.most(Bound::FileSeconds));
        let bytes = received.recv_timeout(limit);
        bytes.map_err(|_| bounds.exceeded(Bound::FileSeconds))??
    };
    bounds.check(bound, bytes.len() as u64)?;
    Ok(bytes)
}
