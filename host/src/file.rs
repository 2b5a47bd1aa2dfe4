//! Reads files of unknown length, within bounds on their bytes and on the time that they take.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::bounds::{Bound, Bounds, Exceeded};

/// Bytes that are read at once.
const PIECE_BYTES: usize = 64 << 10;

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

/// Reads a file whole. A pipe, a terminal or a device is waited for as long as
/// [`Bound::FileSeconds`] says.
///
/// # Errors
///
/// When it cannot be read, and when it has more bytes than the bound or takes longer.
pub fn read_within(path: &Path, bound: Bound, bounds: &Bounds) -> Result<Vec<u8>, FileError> {
    let most = bounds.most(bound);
    let metadata = path.metadata()?;
    if metadata.is_file() {
        bounds.check(bound, metadata.len())?;
    }
    let mut source = Source::open(path, bounds)?;
    source.begin();
    let mut bytes = Vec::new();
    let read = (&mut source)
        .take(most.saturating_add(1))
        .read_to_end(&mut bytes);
    match read {
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            return Err(bounds.exceeded(Bound::FileSeconds).into());
        }
        read => read?,
    };
    bounds.check(bound, bytes.len() as u64)?;
    Ok(bytes)
}

/// What bytes come from.
pub(crate) enum Source {
    /// Answers at once, or is waited for as long as it takes.
    Patient(Box<dyn Read>),
    /// Somebody has to write to it.
    Pipe(Pipe),
}

impl Source {
    /// Opens a file. One that is none on a disk is a pipe.
    pub fn open(path: &Path, bounds: &Bounds) -> io::Result<Self> {
        Ok(match path.metadata()?.is_file() {
            true => Source::Patient(Box::new(File::open(path)?)),
            false => Source::Pipe(Pipe::open(path, bounds)?),
        })
    }

    /// From now on a pipe has its time for the next file or block.
    pub fn begin(&mut self) {
        if let Source::Pipe(pipe) = self {
            pipe.deadline = Instant::now().checked_add(pipe.limit);
        }
    }
}

impl Read for Source {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Source::Patient(source) => source.read(bytes),
            Source::Pipe(pipe) => pipe.read(bytes),
        }
    }
}

/// A pipe, a terminal or a device, which a thread reads. Opening a pipe that nobody writes to waits
/// for ever, and nothing ends that but the process.
pub(crate) struct Pipe {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
    limit: Duration,
    deadline: Option<Instant>,
}

impl Pipe {
    fn open(path: &Path, bounds: &Bounds) -> io::Result<Self> {
        // The thread is one piece ahead.
        let (sender, pieces) = mpsc::sync_channel(1);
        let path = path.to_path_buf();
        let read = move || {
            let mut file = match File::open(path) {
                Ok(file) => file,
                Err(error) => return drop(sender.send(Err(error))),
            };
            loop {
                let mut piece = vec![0; PIECE_BYTES];
                let read = file.read(&mut piece);
                let is_last = !matches!(read, Ok(1..));
                let sent = sender.send(read.map(|length| {
                    piece.truncate(length);
                    piece
                }));
                if is_last || sent.is_err() {
                    return;
                }
            }
        };
        thread::Builder::new()
            .name("steadfast-pipe".into())
            .spawn(read)?;
        Ok(Pipe {
            pieces,
            piece: io::Cursor::default(),
            limit: Duration::from_secs(bounds.most(Bound::FileSeconds)),
            deadline: None,
        })
    }
}

impl Read for Pipe {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if self.piece.position() >= self.piece.get_ref().len() as u64 {
            let left = self.deadline.map_or(self.limit, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            self.piece = match self.pieces.recv_timeout(left) {
                Ok(piece) => io::Cursor::new(piece?),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
                // It has ended.
                Err(RecvTimeoutError::Disconnected) => io::Cursor::default(),
            };
        }
        self.piece.read(bytes)
    }
}

/// The directory that a file is in, or is to be in.
pub fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
