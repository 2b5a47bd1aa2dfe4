//! The blocks in one file, or on standard input: one in its bytes, or any number in hexadecimal,
//! one a line.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::InputError;
use crate::bounds::{Bound, Bounds};
use crate::file::Source;

/// The longest block that is read. Bitcoin's have at most 4 MB.
pub(super) const MAX_BLOCK_BYTES: u64 = 64 << 20;

/// Bytes that tell text from a block: a header and a little more, since the hash in it begins or
/// ends with zeros.
const TOLD_BY: usize = 128;

/// Reads a file block by block.
pub(super) struct BlockReader {
    name: String,
    source: BufReader<Source>,
    /// How long a pipe is waited for, for each block.
    seconds: u64,
    form: Option<Form>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Bytes,
    Hexadecimal,
    /// All that there is has been read.
    Done,
}

impl BlockReader {
    pub fn open(path: &Path, bounds: &Bounds) -> Result<Self, InputError> {
        let name = path.display().to_string();
        match Source::open(path, bounds) {
            Ok(source) => Ok(BlockReader::of(name, source, bounds)),
            Err(reason) => Err(InputError::Io { name, reason }),
        }
    }

    /// Whoever writes to standard input has been started with the host, and takes as long as it
    /// likes.
    pub fn of_stdin(stdin: Box<dyn Read>, bounds: &Bounds) -> Self {
        BlockReader::of("standard input".into(), Source::Patient(stdin), bounds)
    }

    fn of(name: String, source: Source, bounds: &Bounds) -> Self {
        BlockReader {
            name,
            source: BufReader::with_capacity(TOLD_BY.max(8192), source),
            seconds: bounds.most(Bound::FileSeconds),
            form: None,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bytes of the next block; those of hexadecimal digits are decoded.
    pub fn next_block(&mut self) -> Result<Option<Vec<u8>>, InputError> {
        self.source.get_mut().begin();
        let form = match self.form {
            Some(form) => form,
            None => self.tell()?,
        };
        match form {
            Form::Done => Ok(None),
            Form::Bytes => self.whole().map(Some),
            Form::Hexadecimal => self.line(),
        }
    }

    /// Whether nothing was read yet.
    pub fn is_unread(&self) -> bool {
        self.form.is_none()
    }

    /// All bytes, whatever they are, the first time.
    pub fn next_raw(&mut self) -> Result<Option<Vec<u8>>, InputError> {
        self.source.get_mut().begin();
        match self.form {
            Some(_) => Ok(None),
            None => self.whole().map(Some),
        }
    }

    fn whole(&mut self) -> Result<Vec<u8>, InputError> {
        self.form = Some(Form::Done);
        let mut bytes = Vec::new();
        // One byte more than is allowed, from a file that may have no end.
        let read = (&mut self.source)
            .take(MAX_BLOCK_BYTES + 1)
            .read_to_end(&mut bytes);
        self.checked(read, bytes.len() as u64, MAX_BLOCK_BYTES)?;
        Ok(bytes)
    }

    /// Looks at the first bytes.
    fn tell(&mut self) -> Result<Form, InputError> {
        if let Err(reason) = self.source.fill_buf() {
            return Err(self.failed(reason));
        }
        let first = self.source.buffer();
        let first = &first[..first.len().min(TOLD_BY)];
        let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
        let form = match !first.is_empty() && first.iter().all(is_text) {
            true => Form::Hexadecimal,
            false => Form::Bytes,
        };
        self.form = Some(form);
        Ok(form)
    }

    /// The next line that is not empty.
    fn line(&mut self) -> Result<Option<Vec<u8>>, InputError> {
        const MOST: u64 = 2 * MAX_BLOCK_BYTES + 2;
        loop {
            let mut line = Vec::new();
            let read = (&mut self.source)
                .take(MOST + 1)
                .read_until(b'\n', &mut line);
            if self.checked(read, line.len() as u64, MOST)? == 0 {
                return Ok(None);
            }
            let digits = line.trim_ascii();
            if !digits.is_empty() {
                return self.decode(digits).map(Some);
            }
        }
    }

    fn decode(&self, digits: &[u8]) -> Result<Vec<u8>, InputError> {
        let wrong = |reason: &str| InputError::Hexadecimal {
            name: self.name.clone(),
            reason: reason.into(),
        };
        let digit = |byte: &u8| char::from(*byte).to_digit(16).map(|digit| digit as u8);
        let digits: Option<Vec<u8>> = digits.iter().map(digit).collect();
        let digits = digits.ok_or_else(|| wrong("a line has something else than digits in it"))?;
        let (pairs, rest) = digits.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(wrong("a line has an odd number of digits"));
        }
        Ok(pairs.iter().map(|[high, low]| high << 4 | low).collect())
    }

    fn checked(&self, read: io::Result<usize>, bytes: u64, most: u64) -> Result<usize, InputError> {
        match read {
            Ok(_) if bytes > most => Err(InputError::TooLarge {
                name: self.name.clone(),
            }),
            Ok(read) => Ok(read),
            Err(reason) => Err(self.failed(reason)),
        }
    }

    fn failed(&self, reason: io::Error) -> InputError {
        let name = self.name.clone();
        match reason.kind() {
            io::ErrorKind::TimedOut => InputError::TooSlow {
                name,
                seconds: self.seconds,
            },
            _ => InputError::Io { name, reason },
        }
    }
}
