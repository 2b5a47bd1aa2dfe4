//! A Bitcoin indexer: the part that every build of it shares.
//!
//! [`index`] takes one block and brings the state up to date; the functions in [`view`] answer
//! questions about it. The state lies in a key-value store behind [`Host`], in front of which
//! stands a [`Cache`]; nothing else in this crate knows which host, cache or allocator it runs
//! with.
//!
//! # The state
//!
//! Integers are little-endian unless they say otherwise, hashes are in the order in which they are
//! computed (the reverse of how explorers print them), an amount is in satoshi.
//!
//! | key | value |
//! |---|---|
//! | `o`, txid (32 bytes), output number (`u32`) | amount (`u64`), then the output script |
//! | `s`, SHA-256 of an output script (32 bytes) | sum of amounts (`u64`), number of unspent outputs (`u64`) |
//! | `h`, height (`u32`, big-endian) | hash of the block (32 bytes) |
//!
//! An empty value deletes its key: a spent output is deleted, and so is a script's entry with its
//! last output.
//!
//! # The rules
//!
//! * An output that can never be spent is neither stored nor counted in a balance: one whose script
//!   begins with `OP_RETURN` (0x6a) or is longer than 10,000 bytes.
//! * An input that spends an output unknown to the state, created before the first block indexed,
//!   changes nothing.
//! * A coinbase may repeat the identifier of an earlier one, which happened twice before it was
//!   ruled out. It then replaces the earlier output, as in the network's own rules.
//! * Everything goes through, or nothing: a malformed block, or a state that contradicts it, is an
//!   [`Error`] before anything is flushed. Malformed are: bytes missing or left over; a length that
//!   is not in its shortest form; a transaction without inputs or outputs, with an unknown flag
//!   after the segwit marker, or with the marker and no witness; a block without transactions; a
//!   first transaction that is not a coinbase, that is, one with one input that spends the null
//!   outpoint (32 zero bytes and `0xffffffff`); another one that spends it; two transactions that
//!   create the same stored output; a balance above the limit of a `u64`.
#![no_std]
extern crate alloc;

mod balance;
mod block;
mod cache;
mod error;
mod key;
pub mod metashrew;
mod pending;
mod state;
pub mod view;

pub use balance::Balance;
pub use block::{Summary, index};
pub use cache::{Cache, NoCache};
pub use error::Error;
pub use key::Key;
pub use state::Host;
