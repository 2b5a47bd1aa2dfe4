//! Where a module's standard output or standard error goes.

use crate::bounds::{Bound, Bounds};
use crate::metashrew::LogLines;
use crate::output::{Output, show};

pub(super) enum Stream {
    /// To the host's standard error: by lines, and without anything that steers a terminal.
    Shown(LogLines),
    Captured {
        bytes: Vec<u8>,
        most: u64,
    },
    Discarded,
}

impl Stream {
    pub fn new(output: Output, bounds: &Bounds) -> Self {
        let most = bounds.most(Bound::OutputBytes);
        match output {
            Output::Inherit => {
                let mut lines = LogLines::new(Box::new(show));
                lines.limit(most);
                Stream::Shown(lines)
            }
            Output::Capture => Stream::Captured {
                bytes: Vec::new(),
                most,
            },
            Output::Discard => Stream::Discarded,
        }
    }

    /// Takes bytes; what is more than a module may print is left out.
    pub fn take(&mut self, printed: &[u8]) {
        match self {
            Stream::Shown(lines) => lines.take(&String::from_utf8_lossy(printed)),
            Stream::Captured { bytes, most } => {
                let left = most.saturating_sub(bytes.len() as u64);
                let left = usize::try_from(left).unwrap_or(usize::MAX);
                bytes.extend_from_slice(&printed[..printed.len().min(left)]);
            }
            Stream::Discarded => {}
        }
    }

    /// Shows the line that has begun.
    pub fn end(&mut self) {
        if let Stream::Shown(lines) = self {
            lines.end();
        }
    }

    /// What was printed so far, as far as it is captured.
    pub fn captured(&self) -> &[u8] {
        match self {
            Stream::Captured { bytes, .. } => bytes,
            _ => &[],
        }
    }
}
