//! The metashrew host interface, as safe functions.
//!
//! Metashrew hands a module its input, a little-endian `u32` height and then the block, and a
//! key-value store that the module reads through imports and writes once. These functions are the
//! whole of that interface. They keep no state: the program decides what it caches, and what it
//! holds back until the flush.
//!
//! A host that breaks the interface cannot be answered with a value: such a call *halts*, which
//! logs one line that says what happened and panics with the same words, before anything was
//! flushed.
//!
//! No function but [`input`], [`read`], [`flush`] and [`export_bytes`] touches the heap, except for
//! a key longer than [`MAX_STACK_KEY_BYTES`]: a program that loads a value from the host rather
//! than from a cache leaves every heap address as it was. On native targets
//! [`stand_in`](super::host) takes the host's place, so that code that uses this module runs under
//! plain `cargo test`.
//!
//! ```ignore-wasm
//! use steadfast::metashrew::{host::stand_in, host_interface};
//!
//! stand_in::with(|host| host.input = vec![5, 0, 0, 0, 0xAA]);
//! assert_eq!(host_interface::input(), [5, 0, 0, 0, 0xAA]);
//!
//! host_interface::flush([(&b"key"[..], &b"value"[..])].into_iter());
//! assert_eq!(host_interface::read(b"key"), b"value");
//! ```
//!
//! The interface has no bound for what the host writes: it asks for a value's length and for the
//! value in two calls, and the host writes the whole value. So these functions make both calls
//! without a pause, and never write to a buffer of another length than the first call's answer.
//! That the value stays the same between the two is the host's duty: one that reads a database
//! which others write to answers both calls from one snapshot.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::frame::{self, Frame, with_frame};
use super::message::EncodeError;
use super::unwritten::is_written;
use super::{host, logging, message};
use crate::line::Line;

/// The longest key, in bytes, that is framed on the stack.
///
/// A longer one is framed on the heap. A program that asks the host on a cache miss alone, and
/// wants its heap addresses to be the same on a hit, makes a [`HostKey`] before it looks into the
/// cache.
pub const MAX_STACK_KEY_BYTES: usize = frame::SHORT_BYTES;

/// The longest value, in bytes, that is believed: a host that announces more is broken.
pub const MAX_VALUE_BYTES: usize = 512 << 20;

/// A key as the host is given it.
///
/// Made before it is known whether the host will be asked: a key longer than
/// [`MAX_STACK_KEY_BYTES`] takes its heap block then, and gives it back when dropped. Shorter ones
/// take none, and cost nothing until the host is asked.
#[derive(Debug)]
pub struct HostKey<'a> {
    key: &'a [u8],
    framed: Option<Vec<u8>>,
}

impl<'a> HostKey<'a> {
    /// A key of any length.
    ///
    /// # Panics
    ///
    /// Halts when `key` exceeds 2 GiB less four bytes.
    #[must_use]
    pub fn new(key: &'a [u8]) -> Self {
        if key.len() <= MAX_STACK_KEY_BYTES {
            return Self { key, framed: None };
        }
        let Some(mut framed) = frame::framed(key.len()) else {
            halt(format_args!("a key of {} bytes exceeds 2 GiB", key.len()));
        };
        framed.extend_from_slice(key);
        Self {
            key,
            framed: Some(framed),
        }
    }

    /// The length in bytes of the value that the host holds; zero when it holds none.
    ///
    /// # Panics
    ///
    /// Halts when the host answers with a length that no value can have: a negative one,
    /// `0x7fffffff`, its sign for a key that it cannot read, or more than [`MAX_VALUE_BYTES`].
    #[must_use]
    pub fn value_len(&self) -> usize {
        let answer = self.with(host::get_len);
        match usize::try_from(answer) {
            Ok(len) if len <= MAX_VALUE_BYTES => len,
            Ok(_) if answer == i32::MAX => halt(format_args!(
                "the host answered {answer} for the length of a value: it could not read the key of {} bytes",
                self.key.len()
            )),
            _ => halt(format_args!(
                "the host answered {answer} for the length of a value; it is from 0 to {MAX_VALUE_BYTES}"
            )),
        }
    }

    /// The value that the host holds; empty when it holds none. Costs one heap allocation of
    /// exactly its length.
    ///
    /// A host that reads a live database may find the value shorter or gone by the second of the
    /// two calls. Whether it wrote the last byte is checked: one value in 256 is read twice for
    /// that. A value that became longer, or another of the same length, is not noticed.
    ///
    /// # Panics
    ///
    /// As [`value_len`](Self::value_len). Halts when the host does not write the value to its end.
    #[must_use]
    pub fn read(&self) -> Vec<u8> {
        self.read_with(Vec::with_capacity)
    }

    /// As [`read`](Self::read), into an empty vector with room for the value, which `room` makes.
    pub(super) fn read_with(&self, room: impl FnOnce(usize) -> Vec<u8>) -> Vec<u8> {
        let len = self.value_len();
        let mut value = room(len);
        value.resize(len, 0);
        self.fill(&mut value);
        value
    }

    /// Has the host write the value into `value`, wherever that lies. It must be exactly as long as
    /// the value. The host is asked for the length again: a flush or the next block may have
    /// changed what it told before.
    ///
    /// # Panics
    ///
    /// Halts when the lengths differ, and when `value` ends above 2 GiB, where hosts cannot write;
    /// `value` is as it was then. Halts also when the host does not write the value to its end,
    /// which is checked as in [`read`](Self::read).
    pub fn load(&self, value: &mut [u8]) {
        let len = self.value_len();
        if value.len() != len {
            halt(format_args!(
                "a buffer of {} bytes was given for a value of {len} bytes; ask for the length again, or use `read`",
                value.len()
            ));
        }
        self.fill(value);
    }

    /// Has the host write the value into `value`, which is as long as the host has just said.
    fn fill(&self, value: &mut [u8]) {
        if value.is_empty() {
            return;
        }
        let get = |value: &mut [u8]| self.with(|key| host::get(key, value));
        if !is_written(value, get) {
            halt(format_args!(
                "the host announced a value of {} bytes and did not write it to its end; the block may succeed if it is run again",
                value.len()
            ));
        }
    }

    fn with<R>(&self, then: impl FnOnce(Frame<'_>) -> R) -> R {
        match &self.framed {
            Some(framed) => then(Frame::of(framed)),
            None => with_frame(self.key, then),
        }
    }
}

/// The module's whole input: the height's four little-endian bytes, then the block (or a view's
/// argument).
///
/// Costs one heap allocation of exactly the input's length. Tells nobody: a program that uses
/// metashrew's functions too takes its input from [`metashrew::input`](super::input), which tells
/// them the height. Without it a view is answered from the cache of whatever block it is as of.
///
/// # Panics
///
/// Halts when the host gives a negative length.
#[must_use]
pub fn input() -> Vec<u8> {
    let announced = host::host_len();
    let Ok(len) = usize::try_from(announced) else {
        halt(format_args!(
            "the host announced an input of {announced} bytes; a length is not negative"
        ));
    };
    let mut input = vec![0; len];
    host::load_input(&mut input);
    input
}

/// The length in bytes of the value that the host holds at `key`; zero when it holds none.
///
/// A missing key and an empty value are the same to the host.
///
/// # Panics
///
/// As [`HostKey::new`] and [`HostKey::value_len`].
#[must_use]
pub fn value_len(key: &[u8]) -> usize {
    HostKey::new(key).value_len()
}

/// The value that the host holds at `key`; empty when it holds none.
///
/// # Panics
///
/// As [`HostKey::new`] and [`HostKey::read`].
#[must_use]
pub fn read(key: &[u8]) -> Vec<u8> {
    HostKey::new(key).read()
}

/// Has the host write the value at `key` straight into `value`, wherever that lies. It must be
/// exactly as long as the value.
///
/// # Panics
///
/// As [`HostKey::new`] and [`HostKey::load`].
pub fn load(key: &[u8], value: &mut [u8]) {
    HostKey::new(key).load(value);
}

/// Hands all writes to the host at once. An empty value deletes its key.
///
/// A host takes exactly one flush for a block, even an empty one, and keeps none of its writes
/// without it. Costs one heap allocation of exactly the message's length; the pairs go out in the
/// order given.
///
/// # Panics
///
/// Halts when the message exceeds 2 GiB less four bytes, and when the iterator's clone gives other
/// pairs than the iterator.
pub fn flush<'a>(pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) {
    match message::encode(pairs) {
        Ok(message) => host::flush(Frame::of(&message)),
        Err(EncodeError::TooLong) => halt(format_args!(
            "the flush exceeds 2 GiB; index fewer blocks between flushes"
        )),
        Err(EncodeError::Changed) => halt(format_args!(
            "the pairs of a flush changed while they were encoded; collect them before the flush"
        )),
    }
}

/// Hands `text` to the host's log, in pieces where it exceeds the fixed buffer on the stack.
pub fn log(text: &str) {
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at(frame::whole_characters(rest, frame::SHORT_BYTES));
        with_frame(piece.as_bytes(), host::log);
        rest = tail;
    }
}

/// Hands one line with its newline to the host's log, formatted in a fixed buffer on the stack.
/// What exceeds 507 bytes is cut.
pub fn log_line(line: fmt::Arguments<'_>) {
    log(Line::of(line).ended());
}

/// Leaves `bytes` where the host finds them and returns the pointer that a view function returns.
///
/// The bytes are moved into one new heap allocation, with their length in the four bytes before the
/// pointer, and never freed.
///
/// # Panics
///
/// Halts when `bytes` exceeds 2 GiB less four bytes.
#[must_use]
pub fn export_bytes(bytes: Vec<u8>) -> i32 {
    match frame::framed(bytes.len()) {
        Some(mut framed) => {
            framed.extend_from_slice(&bytes);
            host::export(framed)
        }
        None => halt(format_args!(
            "a view's result of {} bytes exceeds 2 GiB",
            bytes.len()
        )),
    }
}

/// Logs one line (cut to the fixed buffer) and panics with the same words.
///
/// This is how a module stops: its block fails, and nothing of it was written. The line is
/// formatted without the heap.
///
/// # Panics
///
/// Always.
pub fn halt(message: fmt::Arguments<'_>) -> ! {
    log_line(message);
    logging::panic_told(message)
}
