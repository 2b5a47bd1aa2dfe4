//! Where what guests print goes, and what they have printed.

use std::io::{Write as _, stderr};

/// Where a guest's standard output, its standard error and its log lines go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// All of them to the host's standard error.
    #[default]
    Inherit,
    /// All of them to the report; at most 64 MiB of either stream.
    Capture,
    /// Nowhere.
    Discard,
}

/// Shows a line under [`Output::Inherit`]. Where nobody reads it any more, the block goes on.
pub(crate) fn show(line: &str) {
    drop(writeln!(stderr(), "{line}"));
}

/// What a guest has printed through WASI.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Printed {
    /// On its standard output.
    pub stdout: Vec<u8>,
    /// On its standard error.
    pub stderr: Vec<u8>,
}
