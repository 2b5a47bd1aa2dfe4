//! One line of text in a fixed buffer, for whoever has no heap to format it on.

use core::fmt;

/// The most bytes of a line, with its newline.
pub(crate) const LINE_BYTES: usize = 508;

/// One line of text; what does not fit is dropped.
pub(crate) struct Line {
    bytes: [u8; LINE_BYTES],
    len: usize,
}

impl Line {
    /// The line that `text` formats to.
    pub(crate) fn of(text: fmt::Arguments<'_>) -> Self {
        let mut line = Self {
            bytes: [0; LINE_BYTES],
            len: 0,
        };
        // A line that is too long is cut, never refused.
        let _ = fmt::write(&mut line, text);
        line.bytes[line.len] = b'\n';
        line
    }

    /// The text, without a newline.
    pub(crate) fn text(&self) -> &str {
        core::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }

    /// The text, with a newline behind it.
    #[cfg(feature = "metashrew")]
    pub(crate) fn ended(&self) -> &str {
        core::str::from_utf8(&self.bytes[..=self.len]).unwrap_or_default()
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let take = whole_characters(text, LINE_BYTES - 1 - self.len);
        self.bytes[self.len..self.len + take].copy_from_slice(&text.as_bytes()[..take]);
        self.len += take;
        if take == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// The length of the longest prefix of `text` that is at most `max` bytes and ends at a character's
/// boundary.
pub(crate) fn whole_characters(text: &str, max: usize) -> usize {
    let mut len = text.len().min(max);
    while !text.is_char_boundary(len) {
        len -= 1;
    }
    len
}
