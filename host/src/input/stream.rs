//! Blocks, one after the other, from files, folders and standard input. Never more than one is
//! held.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fs;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};

use super::block_files::{ChainOfFiles, is_block_file};
use super::file::BlockReader;
use super::{Input, InputError, Mark};
use crate::bounds::Bounds;

/// The path that stands for standard input.
const STDIN: &str = "-";

/// Blocks from any number of places, in the order given: files, folders of them, Bitcoin Core's
/// `blocks` folder, and standard input as `-`.
///
/// A file holds one block, serialised, with its height in front or without, or any number of blocks
/// in hexadecimal, one a line. The files of a folder are taken in the order of their names, where a
/// number in a name counts as one. Bitcoin Core's folder gives its chain with the most work.
///
/// ```no_run
/// use steadfast_host::{Inputs, Mark};
///
/// for block in Inputs::new(vec!["/var/lib/bitcoin/blocks".into()])?.to(Mark::Height(1000)) {
///     println!("{}", block?.height());
/// }
/// # Ok::<(), steadfast_host::InputError>(())
/// ```
pub struct Inputs {
    paths: VecDeque<PathBuf>,
    source: Option<Source>,
    /// What is read as standard input; the process's own without it.
    stdin: Option<Box<dyn Read>>,
    from: Option<Mark>,
    to: Option<Mark>,
    /// The block to begin with has been met, and the one to end with.
    has_begun: bool,
    has_ended: bool,
    /// The lowest and the highest height that was met, in the range or outside it.
    met: Option<(u32, u32)>,
    /// A block in the range was met, or left out by [`at_least`](Inputs::at_least) alone.
    has_any: bool,
    /// The next height, of inputs that are no blocks of Bitcoin.
    raw: Option<u64>,
    least: u32,
    bounds: Bounds,
    is_done: bool,
}

enum Source {
    File(BlockReader),
    Chain(ChainOfFiles),
}

impl Inputs {
    /// Blocks from these places. They are not read yet, but they must be there.
    ///
    /// # Errors
    ///
    /// When one of them is not.
    pub fn new(paths: Vec<PathBuf>) -> Result<Self, InputError> {
        for path in paths.iter().filter(|path| !is_stdin(path)) {
            fs::metadata(path).map_err(|reason| InputError::Io {
                name: path.display().to_string(),
                reason,
            })?;
        }
        Ok(Inputs {
            paths: paths.into(),
            source: None,
            stdin: None,
            from: None,
            to: None,
            has_begun: false,
            has_ended: false,
            met: None,
            has_any: false,
            raw: None,
            least: 0,
            bounds: Bounds::default(),
            is_done: false,
        })
    }

    /// Reads this where standard input is named.
    ///
    /// ```
    /// use steadfast_host::Inputs;
    ///
    /// let mut blocks = Inputs::new(vec!["-".into()])?.raw(7).stdin(&b"any bytes"[..]);
    /// assert_eq!(blocks.next().unwrap()?.height(), 7);
    /// assert!(blocks.next().is_none());
    /// # Ok::<(), steadfast_host::InputError>(())
    /// ```
    #[must_use]
    pub fn stdin(self, stdin: impl Read + 'static) -> Self {
        Inputs {
            stdin: Some(Box::new(stdin)),
            ..self
        }
    }

    /// The same with other bounds. [`Bound::FileSeconds`](crate::Bound::FileSeconds) is how long a
    /// pipe among the paths may take for each block. Standard input may take as long as it
    /// likes.
    #[must_use]
    pub fn within(self, bounds: Bounds) -> Self {
        Inputs { bounds, ..self }
    }

    /// Leaves out all blocks before this one.
    #[must_use]
    pub fn from(self, mark: Mark) -> Self {
        Inputs {
            from: Some(mark),
            ..self
        }
    }

    /// Leaves out all blocks behind this one.
    #[must_use]
    pub fn to(self, mark: Mark) -> Self {
        Inputs {
            to: Some(mark),
            ..self
        }
    }

    /// Takes each file as one input, whatever its bytes are: the first is at this height, and each
    /// of the others one above the one before.
    #[must_use]
    pub fn raw(self, height: u32) -> Self {
        Inputs {
            raw: Some(height.into()),
            ..self
        }
    }

    /// Leaves out blocks below a height, where that is known without reading them.
    #[must_use]
    pub fn at_least(self, height: u32) -> Self {
        Inputs {
            least: height,
            ..self
        }
    }

    fn next_read(&mut self) -> Result<Option<Input>, InputError> {
        loop {
            let block = match &mut self.source {
                Some(Source::Chain(chain)) => chain.next_block()?,
                Some(Source::File(reader)) => next_of_file(reader, &mut self.raw)?,
                None => None,
            };
            if block.is_some() {
                return Ok(block);
            }
            self.source = None;
            let Some(path) = self.paths.pop_front() else {
                return Ok(None);
            };
            self.open(&path)?;
        }
    }

    fn open(&mut self, path: &Path) -> Result<(), InputError> {
        if is_stdin(path) {
            let stdin = self.stdin.take().unwrap_or_else(|| Box::new(stdin()));
            self.source = Some(Source::File(BlockReader::of_stdin(stdin, &self.bounds)));
        } else if path.is_dir() {
            self.open_folder(path)?;
        } else {
            self.source = Some(Source::File(BlockReader::open(path, &self.bounds)?));
        }
        Ok(())
    }

    fn open_folder(&mut self, folder: &Path) -> Result<(), InputError> {
        let name = || folder.display().to_string();
        let io = |reason| InputError::Io {
            name: name(),
            reason,
        };
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.is_file() && !is_hidden(&path) {
                files.push(path);
            }
        }
        if files.is_empty() {
            return Err(InputError::EmptyFolder { name: name() });
        }
        files.sort_by(|one, other| by_number(one, other));
        if self.raw.is_none() && files.iter().any(|file| is_block_file(file)) {
            files.retain(|file| is_block_file(file));
            let chain = ChainOfFiles::open(folder, files, self.from, self.to, self.least)?;
            // It begins and ends with these, whether they are left out or not.
            self.has_begun = true;
            self.to = self.to.filter(|mark| matches!(mark, Mark::Height(_)));
            let (first, last) = chain.heights();
            self.meet(first);
            self.meet(last);
            self.has_any |= match self.to {
                Some(Mark::Height(to)) => chain.begin() <= last.min(to),
                _ => chain.begin() <= last,
            };
            self.source = Some(Source::Chain(chain));
            return Ok(());
        }
        for file in files.into_iter().rev() {
            self.paths.push_front(file);
        }
        Ok(())
    }

    fn meet(&mut self, height: u32) {
        let (first, last) = self.met.unwrap_or((height, height));
        self.met = Some((first.min(height), last.max(height)));
    }

    fn next_in_range(&mut self) -> Result<Option<Input>, InputError> {
        while !self.has_ended {
            let Some(block) = self.next_read()? else {
                break;
            };
            self.meet(block.height());
            self.has_begun |= self.from.is_none_or(|from| from.is_reached_by(&block));
            if !self.has_begun {
                continue;
            }
            self.has_ended = self.to.is_some_and(|to| to.is_reached_by(&block));
            match self.to {
                Some(Mark::Height(to)) if block.height() > to => {}
                _ => {
                    self.has_any = true;
                    return Ok(Some(block));
                }
            }
        }
        Ok(None)
    }

    /// At the end: a hash that none of the inputs has is a mistake, and so is a range that has none
    /// of them.
    fn check_met(&self) -> Result<(), InputError> {
        let marks = [
            ("--from", self.from, self.has_begun),
            ("--to", self.to, self.has_ended),
        ];
        for (option, mark, is_met) in marks {
            if let Some(mark @ Mark::Hash(_)) = mark
                && !is_met
            {
                return Err(InputError::NoSuchBlock {
                    option,
                    mark: mark.to_string(),
                });
            }
        }
        match self.met {
            Some((first, last)) if !self.has_any => Err(InputError::OutOfRange {
                from: self.from,
                to: self.to,
                first,
                last,
            }),
            _ => Ok(()),
        }
    }
}

impl Iterator for Inputs {
    type Item = Result<Input, InputError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let block = self.next_in_range();
        self.is_done = !matches!(block, Ok(Some(_)));
        match block {
            Ok(None) => self.check_met().err().map(Err),
            block => block.transpose(),
        }
    }
}

fn next_of_file(
    reader: &mut BlockReader,
    raw: &mut Option<u64>,
) -> Result<Option<Input>, InputError> {
    let name = reader.name().to_string();
    if let Some(height) = raw {
        let Some(bytes) = reader.next_raw()? else {
            return Ok(None);
        };
        let Ok(this) = u32::try_from(*height) else {
            return Err(InputError::HeightsEnd { name });
        };
        *height += 1;
        return Ok(Some(Input::raw(name, this, &bytes)));
    }
    let is_first = reader.is_unread();
    match reader.next_block()? {
        Some(bytes) => Input::parse(name, &bytes).map(Some),
        None if is_first => Err(InputError::Empty { name }),
        None => Ok(None),
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// Compares the names of files; where both have a number at the same place, by that.
fn by_number(one: &Path, other: &Path) -> Ordering {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_os_string();
    let (one, other) = (name(one), name(other));
    let parts = |name: &[u8]| -> Vec<(usize, Vec<u8>)> {
        name.chunk_by(|one, other| one.is_ascii_digit() == other.is_ascii_digit())
            .map(|part| {
                let zeros = part.iter().take_while(|&&byte| byte == b'0').count();
                let number = &part[zeros..];
                match part[0].is_ascii_digit() {
                    // Of two numbers the one with more digits is greater.
                    true => (number.len(), number.to_vec()),
                    false => (usize::MAX, part.to_vec()),
                }
            })
            .collect()
    };
    let (one, other) = (one.as_encoded_bytes(), other.as_encoded_bytes());
    parts(one).cmp(&parts(other)).then(one.cmp(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count() {
        let mut names = ["10.block", "b2", "9.block", "b10", "009.block", "1.block"];
        names.sort_by(|one, other| by_number(Path::new(one), Path::new(other)));
        let expected = ["1.block", "009.block", "9.block", "10.block", "b2", "b10"];
        assert_eq!(names, expected);
    }
}
