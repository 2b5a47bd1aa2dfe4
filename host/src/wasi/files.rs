//! The files that a module has: three streams, a directory that nobody can write, and the input in
//! it. All of them are in memory.

use std::collections::BTreeMap;

use super::stop::Errno;
use super::{INPUT_DIRECTORY, INPUT_FILE};

/// Files that a module may have open together.
const MOST_OPEN: usize = 1024;

/// The longest path, in bytes.
const MOST_PATH_BYTES: usize = 4096;

/// Rights that a module asks for, or is told that a file has.
pub(super) mod rights {
    pub const READ: u64 = 1 << 1;
    pub const SEEK: u64 = 1 << 2;
    pub const TELL: u64 = 1 << 5;
    pub const WRITE: u64 = 1 << 6;
    pub const ADVISE: u64 = 1 << 7;
    pub const FILESTAT: u64 = 1 << 21;
    /// All thirty. They are no promise: what a directory has decides what C asks for.
    pub const ALL: u64 = (1 << 30) - 1;
}

/// How a file is opened.
mod flags {
    pub const CREATE: u64 = 1;
    pub const DIRECTORY: u64 = 2;
    pub const EXCLUSIVE: u64 = 4;
    pub const TRUNCATE: u64 = 8;
}

/// What stands in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    Input,
}

/// An open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum File {
    /// Standard input, which is empty.
    Stdin,
    /// Standard output, 0, or standard error, 1.
    Output(usize),
    Directory {
        /// Whether it was open from the beginning.
        is_given: bool,
    },
    /// The input, and the place in it.
    Input { at: u64 },
}

impl File {
    /// What it is, where it stands in the file system.
    fn node(self) -> Option<Node> {
        match self {
            File::Stdin | File::Output(_) => None,
            File::Directory { .. } => Some(Node::Directory),
            File::Input { .. } => Some(Node::Input),
        }
    }

    /// `fdstat`: its type and its rights.
    pub fn status(self) -> [u8; 24] {
        let (own, inherited) = match self {
            File::Stdin => (rights::READ, 0),
            File::Output(_) => (rights::WRITE, 0),
            File::Directory { .. } => (rights::ALL, rights::ALL),
            File::Input { .. } => {
                let moves = rights::SEEK | rights::TELL | rights::ADVISE;
                (rights::READ | rights::FILESTAT | moves, 0)
            }
        };
        let mut status = [0; 24];
        status[0] = filetype(self.node());
        status[8..16].copy_from_slice(&own.to_le_bytes());
        status[16..].copy_from_slice(&inherited.to_le_bytes());
        status
    }

    /// `filestat` of it, with an input of so many bytes.
    pub fn statistics(self, bytes: u64) -> [u8; 64] {
        statistics(self.node(), bytes)
    }
}

/// The type of a node. A stream has none, so that no C library takes it for a terminal.
fn filetype(node: Option<Node>) -> u8 {
    match node {
        None => 0,
        Some(Node::Directory) => 3,
        Some(Node::Input) => 4,
    }
}

fn inode(node: Option<Node>) -> u64 {
    node.map_or(0, |node| node as u64 + 1)
}

fn statistics(node: Option<Node>, bytes: u64) -> [u8; 64] {
    let mut filestat = [0; 64];
    filestat[8..16].copy_from_slice(&inode(node).to_le_bytes());
    filestat[16] = filetype(node);
    filestat[24] = 1;
    if node == Some(Node::Input) {
        filestat[32..40].copy_from_slice(&bytes.to_le_bytes());
    }
    filestat
}

/// The open files by their numbers.
pub(super) struct Files(BTreeMap<u64, File>);

impl Files {
    pub fn new() -> Self {
        let given = File::Directory { is_given: true };
        let files = [File::Stdin, File::Output(0), File::Output(1), given];
        Files((0..).zip(files).collect())
    }

    pub fn get(&mut self, number: u64) -> Result<&mut File, Errno> {
        self.0.get_mut(&number).ok_or(Errno::BADF)
    }

    pub fn close(&mut self, number: u64) -> Result<(), Errno> {
        self.0.remove(&number).map(drop).ok_or(Errno::BADF)
    }

    /// Gives an open file the number of another one, which is closed.
    pub fn renumber(&mut self, number: u64, to: u64) -> Result<(), Errno> {
        let file = *self.get(number)?;
        *self.get(to)? = file;
        if number != to {
            self.close(number)?;
        }
        Ok(())
    }

    /// The name of a directory that was open from the beginning; `None` of another file.
    pub fn name_of_given(&mut self, number: u64) -> Result<Option<&'static str>, Errno> {
        let file = self.get(number)?;
        let is_given = *file == File::Directory { is_given: true };
        Ok(is_given.then_some(INPUT_DIRECTORY))
    }

    /// Checks that it is the input.
    pub fn check_input(&mut self, number: u64) -> Result<(), Errno> {
        match self.get(number)? {
            File::Input { .. } => Ok(()),
            _ => Err(Errno::BADF),
        }
    }

    /// Checks that it is a directory.
    pub fn check_directory(&mut self, number: u64) -> Result<(), Errno> {
        match self.get(number)? {
            File::Directory { .. } => Ok(()),
            _ => Err(Errno::BADF),
        }
    }

    /// Checks that it is a directory, to open something in it.
    pub fn check_holder(&mut self, number: u64) -> Result<(), Errno> {
        match self.get(number)? {
            File::Input { .. } => Err(Errno::NOTDIR),
            _ => self.check_directory(number),
        }
    }

    /// Checks that it stands in the file system.
    pub fn check_node(&mut self, number: u64) -> Result<(), Errno> {
        self.get(number)?.node().map(drop).ok_or(Errno::BADF)
    }

    /// Checks that it can be waited for, to be read or to be written.
    pub fn check_awaited(&mut self, number: u64, is_write: bool) -> Result<(), Errno> {
        match (self.get(number)?, is_write) {
            (File::Stdin | File::Input { .. }, false) | (File::Output(_), true) => Ok(()),
            _ => Err(Errno::BADF),
        }
    }

    /// Opens what stands at a path, with flags and rights. Answers its number, the lowest that is
    /// free.
    pub fn open(
        &mut self,
        directory: u64,
        path: &[u8],
        flags: u64,
        asked: u64,
    ) -> Result<u64, Errno> {
        self.check_holder(directory)?;
        let of_files = flags::CREATE | flags::EXCLUSIVE | flags::TRUNCATE;
        if flags & flags::DIRECTORY != 0 && flags & of_files != 0 {
            return Err(Errno::INVAL);
        }
        if flags & (flags::CREATE | flags::TRUNCATE) != 0 || asked & rights::WRITE != 0 {
            return Err(Errno::ROFS);
        }
        let file = match find(path)? {
            Node::Directory => File::Directory { is_given: false },
            Node::Input if flags & flags::DIRECTORY != 0 => return Err(Errno::NOTDIR),
            Node::Input => File::Input { at: 0 },
        };
        if self.0.len() >= MOST_OPEN {
            return Err(Errno::MFILE);
        }
        let taken = self
            .0
            .keys()
            .zip(0..)
            .take_while(|(number, place)| *number == place);
        let number = taken.count() as u64;
        self.0.insert(number, file);
        Ok(number)
    }

    /// `filestat` of what stands at a path, with an input of so many bytes.
    pub fn statistics_at(
        &mut self,
        directory: u64,
        path: &[u8],
        bytes: u64,
    ) -> Result<[u8; 64], Errno> {
        Ok(statistics(Some(self.find(directory, path)?), bytes))
    }

    /// What stands at a path below an open directory.
    pub fn find(&mut self, directory: u64, path: &[u8]) -> Result<Node, Errno> {
        self.check_directory(directory)?;
        find(path)
    }
}

fn find(path: &[u8]) -> Result<Node, Errno> {
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    if path.len() > MOST_PATH_BYTES {
        return Err(Errno::NAMETOOLONG);
    }
    if path[0] == b'/' {
        return Err(Errno::PERM);
    }
    path.split(|&byte| byte == b'/')
        .try_fold(Node::Directory, |node, part| match (node, part) {
            (Node::Input, _) => Err(Errno::NOTDIR),
            (Node::Directory, b"" | b".") => Ok(Node::Directory),
            (Node::Directory, b"..") => Err(Errno::PERM),
            (Node::Directory, name) if name == INPUT_FILE.as_bytes() => Ok(Node::Input),
            (Node::Directory, _) => Err(Errno::NOENT),
        })
}

/// The directory's entries as `fd_readdir` has them, from one on.
pub(super) fn entries(from: u64) -> Vec<u8> {
    let all = [
        (".", Node::Directory),
        ("..", Node::Directory),
        (INPUT_FILE, Node::Input),
    ];
    let mut bytes = Vec::new();
    for (next, (name, node)) in (1_u64..).zip(all).filter(|(next, _)| *next > from) {
        let mut entry = [0; 24];
        entry[..8].copy_from_slice(&next.to_le_bytes());
        entry[8..16].copy_from_slice(&inode(Some(node)).to_le_bytes());
        entry[16..20].copy_from_slice(&(name.len() as u32).to_le_bytes());
        entry[20] = filetype(Some(node));
        bytes.extend_from_slice(&entry);
        bytes.extend_from_slice(name.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_the_input_and_nowhere_else() {
        for path in ["block", "./block", ".//./block"] {
            assert_eq!(find(path.as_bytes()), Ok(Node::Input), "{path}");
        }
        for path in [".", "./", "././/"] {
            assert_eq!(find(path.as_bytes()), Ok(Node::Directory), "{path}");
        }
        for (path, errno) in [
            ("", Errno::NOENT),
            ("bloc", Errno::NOENT),
            ("block\0", Errno::NOENT),
            ("x/../block", Errno::NOENT),
            ("block/", Errno::NOTDIR),
            ("block/..", Errno::NOTDIR),
            ("..", Errno::PERM),
            ("./../input/block", Errno::PERM),
            ("/input/block", Errno::PERM),
            (&"/".repeat(1 << 20), Errno::NAMETOOLONG),
        ] {
            assert_eq!(find(path.as_bytes()), Err(errno), "{path}");
        }
    }

    #[test]
    fn a_file_gets_the_lowest_free_number_up_to_a_bound() {
        let mut files = Files::new();
        let open = |files: &mut Files| files.open(3, b"block", 0, rights::READ);
        assert_eq!([open(&mut files), open(&mut files)], [Ok(4), Ok(5)]);
        files.close(4).unwrap();
        assert_eq!(files.close(4), Err(Errno::BADF));
        assert_eq!([open(&mut files), open(&mut files)], [Ok(4), Ok(6)]);
        files.renumber(6, 0).unwrap();
        assert_eq!(files.get(0), Ok(&mut File::Input { at: 0 }));
        assert_eq!(files.get(6), Err(Errno::BADF));
        assert_eq!(files.renumber(0, 6), Err(Errno::BADF));
        let opened = (0..2000).take_while(|_| open(&mut files).is_ok()).count();
        assert_eq!(opened + 6, MOST_OPEN);
        assert_eq!(open(&mut files), Err(Errno::MFILE));
    }

    #[test]
    fn nothing_can_be_opened_to_be_changed() {
        let mut files = Files::new();
        for (path, flags, asked) in [
            ("block", 0, rights::READ | rights::WRITE),
            ("block", flags::TRUNCATE, rights::READ),
            ("block", flags::CREATE | flags::EXCLUSIVE, rights::READ),
            ("new", flags::CREATE, rights::READ),
            (".", 0, rights::WRITE),
        ] {
            let opened = files.open(3, path.as_bytes(), flags, asked);
            assert_eq!(opened, Err(Errno::ROFS), "{path} {flags} {asked}");
        }
        assert_eq!(
            files.open(3, b"block", flags::DIRECTORY, 0),
            Err(Errno::NOTDIR)
        );
        assert_eq!(files.open(3, b".", flags::DIRECTORY, 0), Ok(4));
        assert_eq!(files.open(4, b"block", 0, 0), Ok(5));
        assert_eq!(files.open(5, b".", 0, 0), Err(Errno::NOTDIR));
        assert_eq!(files.name_of_given(4), Ok(None));
        assert_eq!(files.name_of_given(3), Ok(Some(INPUT_DIRECTORY)));
    }
}
