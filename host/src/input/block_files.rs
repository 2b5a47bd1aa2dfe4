//! Bitcoin Core's own folder of blocks: `blk*.dat`, with `xor.dat`.
//!
//! ```text
//! magic 4 | length u32, little-endian | block | magic …      then zeros up to the file's end
//! ```
//!
//! Blocks stand in the order in which they arrived, and some are of branches that were left. So the
//! headers are read first, and of all chains the one with the most work is followed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::file::MAX_BLOCK_BYTES;
use super::walk::Walk;
use super::{BLOCK_HEADER_BYTES, Input, InputError, Mark, PARENT_AT};
use crate::digest::display_hash;

const KEY_FILE: &str = "xor.dat";
const KEY_BYTES: usize = 8;
/// What stands before each block.
const FRAME_BYTES: usize = 8;
/// Where a header says how much work it took.
const BITS_AT: usize = 72;

/// The blocks of one chain, from the lowest.
pub(super) struct ChainOfFiles {
    folder: Folder,
    /// From the last to the next one.
    left: Vec<Place>,
    height: u32,
    /// The first height of the chain, the one to begin with, and the last.
    base: u32,
    begin: u32,
    last: u32,
}

struct Folder {
    files: Vec<PathBuf>,
    key: [u8; KEY_BYTES],
    /// The file that was read last.
    open: Option<(usize, File)>,
}

/// Where a block stands.
#[derive(Clone, Copy)]
struct Place {
    file: usize,
    offset: u64,
    bytes: u32,
}

struct Header {
    hash: [u8; 32],
    parent: [u8; 32],
    work: f64,
    place: Place,
}

/// Whether a file's name is one of a blocks' file of Bitcoin Core.
pub(super) fn is_block_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let number = name.and_then(|name| name.strip_prefix("blk")?.strip_suffix(".dat"));
    number.is_some_and(|number| {
        !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
    })
}

impl ChainOfFiles {
    /// Reads all headers, and prepares to read the chain with the most work, or the one that ends
    /// with the block of the hash `to`: from the block `from` on, and none below `least`.
    pub fn open(
        folder: &Path,
        files: Vec<PathBuf>,
        from: Option<Mark>,
        to: Option<Mark>,
        least: u32,
    ) -> Result<Self, InputError> {
        let mut folder = Folder::open(folder, files)?;
        let headers = folder.headers()?;
        let wrong = |reason| InputError::BlockFiles {
            name: folder.name(),
            reason,
        };
        let chain = Chain::of(&headers, to).map_err(wrong)?;
        let first = &headers[chain[0]];
        let base = match first.parent {
            // The genesis block.
            [0, ..] if first.parent == [0; 32] => 0,
            _ => folder.told_height(first)?,
        };
        let begin = match from {
            None => base,
            Some(Mark::Height(height)) => height.max(base),
            Some(Mark::Hash(hash)) => {
                let at = chain.iter().position(|&at| headers[at].hash == hash);
                let at = at.ok_or(InputError::NoSuchBlock {
                    option: "--from",
                    mark: Mark::Hash(hash).to_string(),
                })?;
                base.saturating_add(at as u32)
            }
        };
        let height = begin.max(least);
        let skipped = (height - base) as usize;
        let left = chain.iter().skip(skipped).rev();
        Ok(ChainOfFiles {
            left: left.map(|&at| headers[at].place).collect(),
            folder,
            height,
            base,
            begin,
            last: base.saturating_add((chain.len() - 1) as u32),
        })
    }

    /// The lowest and the highest height of the chain, with those that are left out.
    pub fn heights(&self) -> (u32, u32) {
        (self.base, self.last)
    }

    /// The height to begin with, where none below it were left out for another reason.
    pub fn begin(&self) -> u32 {
        self.begin
    }

    pub fn next_block(&mut self) -> Result<Option<Input>, InputError> {
        let Some(place) = self.left.pop() else {
            return Ok(None);
        };
        let bytes = self.folder.block(place)?;
        let name = format!(
            "{} at {}",
            self.folder.files[place.file].display(),
            place.offset
        );
        let walk = Walk::over(&bytes);
        if !walk.is_whole() {
            return Err(walk.error(name, bytes.len()));
        }
        let input = Input::new(self.height, &bytes).named(name);
        self.height = self.height.saturating_add(1);
        Ok(Some(input))
    }
}

impl Folder {
    fn open(folder: &Path, files: Vec<PathBuf>) -> Result<Self, InputError> {
        let path = folder.join(KEY_FILE);
        let io = |reason| InputError::Io {
            name: path.display().to_string(),
            reason,
        };
        let key = match fs::read(&path) {
            Ok(bytes) => bytes.as_slice().try_into().map_err(|_| {
                io(io::Error::other(format!(
                    "the key has {} bytes, not {KEY_BYTES}",
                    bytes.len()
                )))
            })?,
            // Versions before 28 write the blocks as they are.
            Err(error) if error.kind() == io::ErrorKind::NotFound => [0; KEY_BYTES],
            Err(error) => return Err(io(error)),
        };
        Ok(Folder {
            files,
            key,
            open: None,
        })
    }

    fn name(&self) -> String {
        let folder = self.files.first().and_then(|file| file.parent());
        folder.unwrap_or(Path::new(".")).display().to_string()
    }

    /// The headers of all blocks, in the order in which they stand.
    fn headers(&mut self) -> Result<Vec<Header>, InputError> {
        let mut headers = Vec::new();
        let mut magic = None;
        for file in 0..self.files.len() {
            let mut at = 0;
            let end = self.bytes(file)?;
            let mut head = [0; FRAME_BYTES + BLOCK_HEADER_BYTES];
            while self.read(file, at, &mut head)? {
                let (frame, header) = head.split_at(FRAME_BYTES);
                if frame == [0; FRAME_BYTES] {
                    break;
                }
                let bytes = u32::from_le_bytes(*frame[4..].first_chunk().expect("four bytes"));
                let network = &frame[..4];
                let is_block = *magic.get_or_insert_with(|| network.to_vec()) == network
                    && u64::from(bytes) <= MAX_BLOCK_BYTES
                    && at + FRAME_BYTES as u64 + u64::from(bytes) <= end
                    && bytes as usize >= BLOCK_HEADER_BYTES;
                if !is_block {
                    return Err(InputError::BlockFiles {
                        name: self.files[file].display().to_string(),
                        reason: format!(
                            "no whole block stands at {at}; is {KEY_FILE} the one that belongs to this file?"
                        ),
                    });
                }
                let place = Place {
                    file,
                    offset: at + FRAME_BYTES as u64,
                    bytes,
                };
                headers.push(Header::read(header, place));
                at = place.offset + u64::from(bytes);
            }
        }
        Ok(headers)
    }

    fn bytes(&self, file: usize) -> Result<u64, InputError> {
        let path = &self.files[file];
        match fs::metadata(path) {
            Ok(found) => Ok(found.len()),
            Err(reason) => Err(InputError::Io {
                name: path.display().to_string(),
                reason,
            }),
        }
    }

    /// The height that the first block of a pruned node's files tells.
    fn told_height(&mut self, header: &Header) -> Result<u32, InputError> {
        let block = self.block(header.place)?;
        Walk::over(&block).height.ok_or(InputError::BlockFiles {
            name: self.name(),
            reason: "the genesis block is missing, and the first block does not tell its height"
                .into(),
        })
    }

    fn block(&mut self, place: Place) -> Result<Vec<u8>, InputError> {
        let mut bytes = vec![0; place.bytes as usize];
        match self.read(place.file, place.offset, &mut bytes)? {
            true => Ok(bytes),
            false => Err(InputError::BlockFiles {
                name: self.files[place.file].display().to_string(),
                reason: format!("the block at {} is cut short", place.offset),
            }),
        }
    }

    /// Fills a buffer, and takes the key off; `false` where the file ends before.
    fn read(&mut self, file: usize, at: u64, buffer: &mut [u8]) -> Result<bool, InputError> {
        let read = self.fill(file, at, buffer);
        match read {
            Ok(()) => {
                let key = self
                    .key
                    .iter()
                    .cycle()
                    .skip((at % KEY_BYTES as u64) as usize);
                buffer
                    .iter_mut()
                    .zip(key)
                    .for_each(|(byte, key)| *byte ^= key);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(reason) => Err(InputError::Io {
                name: self.files[file].display().to_string(),
                reason,
            }),
        }
    }

    fn fill(&mut self, file: usize, at: u64, buffer: &mut [u8]) -> io::Result<()> {
        let opened = match self.open.take() {
            Some((number, opened)) if number == file => opened,
            _ => File::open(&self.files[file])?,
        };
        let (_, opened) = self.open.insert((file, opened));
        opened.seek(SeekFrom::Start(at))?;
        opened.read_exact(buffer)
    }
}

impl Header {
    fn read(bytes: &[u8], place: Place) -> Self {
        let bits = u32::from_le_bytes(*bytes[BITS_AT..].first_chunk().expect("four bytes"));
        Header {
            hash: Sha256::digest(Sha256::digest(bytes)).into(),
            parent: *bytes[PARENT_AT..].first_chunk().expect("a hash"),
            work: work(bits),
            place,
        }
    }
}

/// How many hashes a block took, about: 2^256 over the target that these bits stand for.
fn work(bits: u32) -> f64 {
    let mantissa = f64::from((bits & 0x007f_ffff).max(1));
    let exponent = 8 * ((bits >> 24) as i32 - 3);
    2f64.powi(256 - exponent) / mantissa
}

struct Chain;

impl Chain {
    /// The chain with the most work, or the one that ends with a block: numbers of headers, from
    /// the lowest block.
    fn of(headers: &[Header], to: Option<Mark>) -> Result<Vec<usize>, String> {
        let by_hash: HashMap<&[u8; 32], usize> = headers
            .iter()
            .enumerate()
            .map(|(at, header)| (&header.hash, at))
            .collect();
        let parent = |at: usize| by_hash.get(&headers[at].parent).copied();
        let last = match to {
            Some(Mark::Hash(hash)) => *by_hash
                .get(&hash)
                .ok_or_else(|| format!("there is no block {} here", display_hash(&hash)))?,
            _ => Chain::most_work(headers, parent).ok_or("there is no block here")?,
        };
        let mut chain = vec![last];
        // A hash cannot be its own ancestor's, but a header may be there twice.
        while let Some(at) = parent(chain[chain.len() - 1]).filter(|_| chain.len() <= headers.len())
        {
            chain.push(at);
        }
        chain.reverse();
        Ok(chain)
    }

    fn most_work(headers: &[Header], parent: impl Fn(usize) -> Option<usize>) -> Option<usize> {
        let mut sums: Vec<Option<f64>> = vec![None; headers.len()];
        let mut path = Vec::new();
        for start in 0..headers.len() {
            let mut at = Some(start);
            while let Some(next) = at.filter(|&at| sums[at].is_none()) {
                path.push(next);
                at = parent(next);
            }
            let mut sum = at.and_then(|at| sums[at]).unwrap_or(0.0);
            while let Some(at) = path.pop() {
                sum += headers[at].work;
                sums[at] = Some(sum);
            }
        }
        let sums = sums.iter().enumerate();
        // Of equal ones the first that arrived, as Bitcoin Core has it.
        sums.rev()
            .max_by(|(_, one), (_, other)| one.partial_cmp(other).expect("work is a number"))
            .map(|(at, _)| at)
    }
}
