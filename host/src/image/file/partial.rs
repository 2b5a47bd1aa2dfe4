//! The file that an image is written to before it has its name: one for each writer.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::begins_as_image;
use crate::file::directory_of;
use crate::scratch::Scratch;

const SUFFIX: &str = ".partial";

static WRITTEN: AtomicU32 = AtomicU32::new(0);

/// Makes such a file, which is locked as long as it is being written and removed if it does not get
/// its name.
pub(super) fn create(path: &Path) -> io::Result<(Scratch, File)> {
    let number = WRITTEN.fetch_add(1, Relaxed);
    let mut name: OsString = path.into();
    name.push(format!(".{}-{number}{SUFFIX}", process::id()));
    let file = File::create_new(&name)?;
    let scratch = Scratch::new(name.into());
    // On a file system without locks nobody takes it for a left one either.
    let _ = file.lock();
    Ok((scratch, file))
}

/// Removes what killed writers left.
pub(super) fn remove_stale(path: &Path) -> io::Result<()> {
    let mut prefix = path.file_name().unwrap_or_default().to_os_string();
    prefix.push(".");
    for entry in fs::read_dir(directory_of(path))? {
        let entry = entry?;
        let name = entry.file_name();
        let middle = name
            .as_encoded_bytes()
            .strip_prefix(prefix.as_encoded_bytes())
            .and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
        let is_ours = middle.is_some_and(|middle| {
            !middle.is_empty()
                && middle
                    .iter()
                    .all(|byte| byte.is_ascii_digit() || *byte == b'-')
        });
        if is_ours && entry.file_type()?.is_file() {
            remove_unless_written(&entry.path());
        }
    }
    Ok(())
}

/// Another writer holds its lock. What cannot be opened or removed is left where it is.
fn remove_unless_written(path: &Path) {
    let is_left = File::open(path).is_ok_and(|file| file.try_lock().is_ok());
    if is_left && begins_as_image(path, 0).unwrap_or(false) {
        let _ = fs::remove_file(path);
    }
}
