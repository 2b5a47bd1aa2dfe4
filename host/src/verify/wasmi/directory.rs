//! The directory with the input as a WASI module in wasmi has it: in memory, one file, and read
//! alone.

use std::any::Any;
use std::io::{Cursor, IoSliceMut, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use wasmi_wasi::Error;
use wasmi_wasi::wasi_common::dir::{OpenResult, ReaddirCursor, ReaddirEntity};
use wasmi_wasi::wasi_common::file::{Advice, FdFlags, FileType, Filestat, OFlags};
use wasmi_wasi::wasi_common::{ErrorExt as _, WasiDir, WasiFile};

use crate::wasi::INPUT_FILE;

const DIRECTORY_INODE: u64 = 1;
const FILE_INODE: u64 = 2;

/// A directory that holds the input. Whatever would change it is refused: it is no part of a file
/// system.
#[derive(Clone)]
pub struct InputDirectory {
    input: Arc<[u8]>,
}

/// The input, opened.
struct InputFile {
    at: Mutex<Cursor<Arc<[u8]>>>,
    size: u64,
}

impl InputDirectory {
    pub fn new(input: Arc<[u8]>) -> Self {
        InputDirectory { input }
    }
}

fn stat(filetype: FileType, inode: u64, size: u64) -> Filestat {
    Filestat {
        device_id: 0,
        inode,
        filetype,
        nlink: 1,
        size,
        atim: None,
        mtim: None,
        ctim: None,
    }
}

#[async_trait]
impl WasiDir for InputDirectory {
    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn open_file(
        &self,
        _symlink_follow: bool,
        path: &str,
        oflags: OFlags,
        _read: bool,
        write: bool,
        _fdflags: FdFlags,
    ) -> Result<OpenResult, Error> {
        if write || oflags.intersects(OFlags::CREATE | OFlags::EXCLUSIVE | OFlags::TRUNCATE) {
            return Err(Error::perm());
        }
        match path {
            "." => Ok(OpenResult::Dir(Box::new(self.clone()))),
            INPUT_FILE if oflags.contains(OFlags::DIRECTORY) => Err(Error::not_dir()),
            INPUT_FILE => Ok(OpenResult::File(Box::new(InputFile {
                at: Mutex::new(Cursor::new(Arc::clone(&self.input))),
                size: self.input.len() as u64,
            }))),
            _ => Err(Error::not_found()),
        }
    }

    async fn readdir(
        &self,
        cursor: ReaddirCursor,
    ) -> Result<Box<dyn Iterator<Item = Result<ReaddirEntity, Error>> + Send>, Error> {
        let entries = [
            (".", DIRECTORY_INODE, FileType::Directory),
            ("..", DIRECTORY_INODE, FileType::Directory),
            (INPUT_FILE, FILE_INODE, FileType::RegularFile),
        ];
        let entries = (1_u64..).zip(entries);
        let entries = entries.map(|(next, (name, inode, filetype))| {
            Ok(ReaddirEntity {
                next: next.into(),
                inode,
                name: name.into(),
                filetype,
            })
        });
        let before = usize::try_from(u64::from(cursor)).unwrap_or(usize::MAX);
        Ok(Box::new(entries.skip(before)))
    }

    async fn get_filestat(&self) -> Result<Filestat, Error> {
        Ok(stat(FileType::Directory, DIRECTORY_INODE, 0))
    }

    async fn get_path_filestat(&self, path: &str, _follow: bool) -> Result<Filestat, Error> {
        match path {
            "." => self.get_filestat().await,
            INPUT_FILE => Ok(stat(
                FileType::RegularFile,
                FILE_INODE,
                self.input.len() as u64,
            )),
            _ => Err(Error::not_found()),
        }
    }
}

impl InputFile {
    fn with<T>(&self, f: impl FnOnce(&mut Cursor<Arc<[u8]>>) -> T) -> T {
        f(&mut self.at.lock().expect("no holder panics"))
    }
}

#[async_trait]
impl WasiFile for InputFile {
    fn as_any(&self) -> &dyn Any {
        self
    }

    async fn get_filetype(&self) -> Result<FileType, Error> {
        Ok(FileType::RegularFile)
    }

    async fn get_filestat(&self) -> Result<Filestat, Error> {
        Ok(stat(FileType::RegularFile, FILE_INODE, self.size))
    }

    async fn advise(&self, _offset: u64, _len: u64, _advice: Advice) -> Result<(), Error> {
        Ok(())
    }

    async fn read_vectored<'a>(&self, buffers: &mut [IoSliceMut<'a>]) -> Result<u64, Error> {
        Ok(self.with(|at| at.read_vectored(buffers))? as u64)
    }

    async fn read_vectored_at<'a>(
        &self,
        buffers: &mut [IoSliceMut<'a>],
        offset: u64,
    ) -> Result<u64, Error> {
        let mut at = self.with(|at| at.clone());
        at.set_position(offset);
        Ok(at.read_vectored(buffers)? as u64)
    }

    async fn seek(&self, to: SeekFrom) -> Result<u64, Error> {
        Ok(self.with(|at| at.seek(to))?)
    }
}
