//! Why something is not a block.

use std::io;

use super::Mark;
use super::file::MAX_BLOCK_BYTES;
use crate::bounds::Bound;

/// Why a file is not a block.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The file could not be read.
    #[error("{name}: {reason}")]
    Io {
        /// The file.
        name: String,
        /// The operating system's reason. No source of this error, since its text has it already.
        reason: io::Error,
    },
    /// A pipe did not give a block in time.
    #[error(
        "{name}: the pipe gave no whole block in {seconds} s: start what writes to it, raise the bound `{bound}`, or give the blocks on standard input as `-`, which is waited for",
        bound = Bound::FileSeconds.name()
    )]
    TooSlow {
        /// The pipe.
        name: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The file is longer than any block.
    #[error("{name}: there are more than {most} bytes, so it is no block", most = MAX_BLOCK_BYTES)]
    TooLarge {
        /// The file.
        name: String,
    },
    /// The hexadecimal digits form no bytes.
    #[error("{name}: not a block in hexadecimal: {reason}")]
    Hexadecimal {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The file holds nothing.
    #[error(
        "{name}: the file is empty; a serialised block is expected, with or without its height in front"
    )]
    Empty {
        /// The file.
        name: String,
    },
    /// The folder holds nothing.
    #[error("{name}: the folder holds no file; blocks are expected, or Bitcoin Core's blk*.dat")]
    EmptyFolder {
        /// The folder.
        name: String,
    },
    /// The block ends before it is complete.
    #[error(
        "{name}: the block is cut short after {whole} of {claimed} transactions ({bytes} bytes)"
    )]
    Truncated {
        /// The file.
        name: String,
        /// Transactions that are complete.
        whole: usize,
        /// Transactions that the block claims to hold; 0 if it ends before it says.
        claimed: usize,
        /// Bytes in the file.
        bytes: usize,
    },
    /// Bytes follow the last transaction.
    #[error("{name}: {left} bytes are left over after the last of {transactions} transactions")]
    TrailingBytes {
        /// The file.
        name: String,
        /// Transactions read.
        transactions: usize,
        /// Bytes left.
        left: usize,
    },
    /// The bytes do not form a block.
    #[error("{name}: not a serialised block: {reason}")]
    Malformed {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The bytes look like a block of another chain.
    #[error(
        "{name}: this seems to be a {chain} block, which is not checked here: hand it over as it is, with --raw --height N"
    )]
    OtherChain {
        /// The file.
        name: String,
        /// The chain.
        chain: &'static str,
    },
    /// The block does not tell its height.
    #[error(
        "{name}: the block does not tell its height (no BIP 34 height in its first transaction); put the height in front, as a little-endian u32"
    )]
    NoHeight {
        /// The file.
        name: String,
    },
    /// There is no height behind that of the block before.
    #[error(
        "{name}: the block before it has the last height that there is, {last}: begin lower, with --raw --height N",
        last = u32::MAX
    )]
    HeightsEnd {
        /// The file.
        name: String,
    },
    /// Bitcoin Core's files do not have what was asked for, or are damaged.
    #[error("{name}: {reason}")]
    BlockFiles {
        /// The file or folder.
        name: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// No block among the inputs is the one to begin or to end with.
    #[error("none of the inputs is {mark}, which {option} names")]
    NoSuchBlock {
        /// The option.
        option: &'static str,
        /// What it names.
        mark: String,
    },
    /// No block among the inputs is in the range.
    #[error(
        "none of the inputs is {}: those that were read have {}",
        range(*from, *to),
        heights(*first, *last)
    )]
    OutOfRange {
        /// The block to begin with.
        from: Option<Mark>,
        /// The block to end with.
        to: Option<Mark>,
        /// The lowest height that was met.
        first: u32,
        /// The highest height that was met. No input is read behind the end of the range.
        last: u32,
    },
}

/// A range as the options give it.
fn range(from: Option<Mark>, to: Option<Mark>) -> String {
    let from = from.map(|mark| format!("from {mark} on (--from)"));
    let to = to.map(|mark| format!("up to {mark} (--to)"));
    let parts: Vec<String> = from.into_iter().chain(to).collect();
    parts.join(" and ")
}

fn heights(first: u32, last: u32) -> String {
    match first == last {
        true => format!("the height {first}"),
        false => format!("the heights {first} to {last}"),
    }
}
