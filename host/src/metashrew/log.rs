//! Lines from what a module logs: `__log` takes pieces of text, and a line ends where one says so.

use crate::bounds::Bound;
use crate::text::plain;

/// The longest line that is waited for, in bytes; a longer one is handed on in pieces.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Takes the place of all that is more than a guest may say.
const LEFT_OUT: &str = "(the module says more than the host prints: the rest is left out)";

/// Joins pieces to lines and hands each to a sink, without its newline and without anything that
/// would steer a terminal.
pub(crate) struct LogLines {
    begun: String,
    /// Bytes that may still be taken; what comes then is left out.
    left: u64,
    sink: Box<dyn FnMut(&str) + Send>,
}

impl LogLines {
    pub(crate) fn new(sink: Box<dyn FnMut(&str) + Send>) -> Self {
        LogLines {
            begun: String::new(),
            left: Bound::OutputBytes.default(),
            sink,
        }
    }

    /// Takes so many bytes from now on.
    pub(crate) fn limit(&mut self, bytes: u64) {
        self.left = bytes;
    }

    /// Takes the next piece.
    pub(crate) fn take(&mut self, piece: &str) {
        if self.left == 0 {
            return;
        }
        self.left = self.left.saturating_sub(piece.len() as u64);
        if self.left == 0 {
            self.end();
            (self.sink)(LEFT_OUT);
            return;
        }
        for piece in piece.split_inclusive('\n') {
            self.begun.push_str(piece);
            if piece.ends_with('\n') || self.begun.len() >= MAX_LINE_BYTES {
                self.end();
            }
        }
    }

    /// Hands on the line that has begun, if one has: no more will come of it.
    pub(crate) fn end(&mut self) {
        if !self.begun.is_empty() {
            (self.sink)(&plain(self.begun.strip_suffix('\n').unwrap_or(&self.begun)));
            self.begun.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{LogLines, MAX_LINE_BYTES};

    /// The lines of some pieces.
    fn lines(pieces: &[&str]) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&lines);
        let mut log = LogLines::new(Box::new(move |line| {
            into.lock().unwrap().push(line.to_owned());
        }));
        for piece in pieces {
            log.take(piece);
        }
        log.end();
        log.end();
        std::mem::take(&mut *lines.lock().unwrap())
    }

    #[test]
    fn pieces_are_joined_until_a_newline_comes() {
        assert_eq!(lines(&["a", "b\nc", "", "\n", "\nd"]), ["ab", "c", "", "d"]);
    }

    #[test]
    fn nothing_in_a_line_steers_a_terminal() {
        let said = lines(&["tab\there, \u{1b}[31m red \u{202e} \0\r\n", "plain é"]);
        let expected = "tab\there, \\u{1b}[31m red \\u{202e} \\u{0}\\u{d}";
        assert_eq!(said, [expected, "plain é"]);
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_whole() {
        let piece = "x".repeat(MAX_LINE_BYTES - 1);
        let lines = lines(&[&piece, &piece, &piece]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines.concat().len(), 3 * piece.len());
    }
}
