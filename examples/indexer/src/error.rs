//! Why a block or a question is refused.

/// Why a block or a view's argument was refused, before anything was flushed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input has no room for the height in front.
    #[error("the input holds {len} bytes; a height of 4 bytes comes first, then the data")]
    NoHeight {
        /// The input's length in bytes.
        len: usize,
    },
    /// The block ends early.
    #[error("the block is cut short: it ends within transaction {transaction}")]
    Truncated {
        /// How many whole transactions precede the end.
        transaction: usize,
    },
    /// Bytes follow the block's last transaction.
    #[error("{len} bytes follow the block's last transaction")]
    TrailingBytes {
        /// How many bytes follow.
        len: usize,
    },
    /// The block's encoding breaks a rule.
    #[error("transaction {transaction} is malformed: {reason}")]
    Malformed {
        /// The transaction's position in the block.
        transaction: usize,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// The block holds no transaction.
    #[error("the block holds no transaction")]
    NoTransactions,
    /// The stored state cannot have been written by this indexer.
    #[error("the stored state is damaged: {what}; restore it or index again from the first block")]
    DamagedState {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A view's argument has the wrong length.
    #[error("an outpoint is 36 bytes, a txid and a 4-byte output number; got {len}")]
    NotAnOutpoint {
        /// The argument's length in bytes.
        len: usize,
    },
}
