//! Byte strings as the host reads them: a little-endian `u32` length, then that many bytes.
//!
//! This is AssemblyScript's `ArrayBuffer`; the pointer handed over points past the length.

use alloc::vec::Vec;
use core::fmt;

/// The bytes of the length in front.
pub(super) const PREFIX_BYTES: usize = 4;

/// The most data bytes that [`with_frame`] takes: a key, a piece of a log line.
pub(super) const SHORT_BYTES: usize = 512 - PREFIX_BYTES;

/// Bytes with their length in front, borrowed from wherever they were framed.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a>(&'a [u8]);

impl<'a> Frame<'a> {
    /// Takes `framed`, whose first four bytes are the length of the rest.
    pub(super) fn of(framed: &'a [u8]) -> Self {
        let frame = Self(framed);
        debug_assert_eq!(framed[..PREFIX_BYTES], prefix(frame.data().len()));
        frame
    }

    /// The bytes without their length, at the address that the host is given.
    pub(super) fn data(self) -> &'a [u8] {
        &self.0[PREFIX_BYTES..]
    }
}

/// Calls `then` with a frame of `data` on the stack; `data` is at most [`SHORT_BYTES`] long.
pub(super) fn with_frame<R>(data: &[u8], then: impl FnOnce(Frame<'_>) -> R) -> R {
    let mut buffer = [0; PREFIX_BYTES + SHORT_BYTES];
    let framed = &mut buffer[..PREFIX_BYTES + data.len()];
    framed[..PREFIX_BYTES].copy_from_slice(&prefix(data.len()));
    framed[PREFIX_BYTES..].copy_from_slice(data);
    then(Frame::of(framed))
}

/// A heap buffer with the length in front and room for exactly `len` bytes after it; nothing if that exceeds 2 GiB.
pub(super) fn framed(len: usize) -> Option<Vec<u8>> {
    let total = len.checked_add(PREFIX_BYTES)?;
    i32::try_from(total).ok()?;
    let mut buffer = Vec::with_capacity(total);
    buffer.extend_from_slice(&prefix(len));
    Some(buffer)
}

/// The length of the longest prefix of `text` that is at most `max` bytes and ends at a character's boundary.
pub(super) fn whole_characters(text: &str, max: usize) -> usize {
    let mut len = text.len().min(max);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    len
}

fn prefix(len: usize) -> [u8; PREFIX_BYTES] {
    // Every caller has bounded `len` below 2 GiB.
    (len as u32).to_le_bytes()
}

/// One line of text in a fixed buffer; what does not fit is dropped.
pub(super) struct Line {
    bytes: [u8; SHORT_BYTES],
    len: usize,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            bytes: [0; SHORT_BYTES],
            len: 0,
        }
    }

    pub(super) fn text(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).expect("whole characters alone are written")
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let take = whole_characters(text, SHORT_BYTES - self.len);
        self.bytes[self.len..self.len + take].copy_from_slice(&text.as_bytes()[..take]);
        self.len += take;
        if take == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
