//! Byte strings as the host reads them: a little-endian `u32` length, then that many bytes.
//!
//! This is AssemblyScript's `ArrayBuffer`; the pointer handed over points past the length.

use alloc::vec::Vec;

use crate::cache::copy;
pub(super) use crate::line::whole_characters;

/// The bytes of the length in front.
pub(super) const PREFIX_BYTES: usize = 4;

/// The most data bytes that [`with_frame`] takes: a key, a piece of a log line.
pub(super) const SHORT_BYTES: usize = crate::line::LINE_BYTES;

/// What most keys have at most.
const MOST_KEYS_BYTES: usize = 60;

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

    /// Frames `data`, for which there is room.
    #[inline]
    fn in_buffer(buffer: &'a mut [u8], data: &[u8]) -> Self {
        let framed = &mut buffer[..PREFIX_BYTES + data.len()];
        framed[..PREFIX_BYTES].copy_from_slice(&prefix(data.len()));
        copy(&mut framed[PREFIX_BYTES..], data);
        Self::of(framed)
    }

    /// The bytes without their length, at the address that the host is given.
    pub(super) fn data(self) -> &'a [u8] {
        &self.0[PREFIX_BYTES..]
    }
}

/// Calls `then` with a frame of `data` on the stack; `data` is at most [`SHORT_BYTES`] long.
pub(super) fn with_frame<R>(data: &[u8], then: impl FnOnce(Frame<'_>) -> R) -> R {
    // All of a buffer is zeroed, and most keys are short.
    if data.len() <= MOST_KEYS_BYTES {
        then(Frame::in_buffer(
            &mut [0; PREFIX_BYTES + MOST_KEYS_BYTES],
            data,
        ))
    } else {
        then(Frame::in_buffer(&mut [0; PREFIX_BYTES + SHORT_BYTES], data))
    }
}

/// A heap buffer with the length in front and room for exactly `len` bytes after it; nothing if
/// that exceeds 2 GiB.
pub(super) fn framed(len: usize) -> Option<Vec<u8>> {
    let total = len.checked_add(PREFIX_BYTES)?;
    i32::try_from(total).ok()?;
    let mut buffer = Vec::with_capacity(total);
    buffer.extend_from_slice(&prefix(len));
    Some(buffer)
}

fn prefix(len: usize) -> [u8; PREFIX_BYTES] {
    // Every caller has bounded `len` below 2 GiB.
    (len as u32).to_le_bytes()
}
