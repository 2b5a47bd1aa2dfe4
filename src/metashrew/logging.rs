//! Lines for whoever runs the module, formatted in a fixed buffer: they leave the heap alone.

use core::fmt;

use super::frame::Line;
use super::host;
use crate::exclusive::Exclusive;
use crate::memory::platform::per_instance;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Good to know.
    Info,
    /// Something is short.
    Warning,
    /// The module stops.
    Error,
}

/// Where lines go. Must not call back into this crate's metashrew functions, nor allocate where heap addresses are to stay.
pub type LogSink = fn(Level, &str);

per_instance! {
    static SINK: Exclusive<LogSink> = Exclusive::new(host::log_line);
}

/// Sends all further lines elsewhere.
///
/// Without it they go to the host's `__log` in a metashrew guest, to the standard error in a WASI program, and to the
/// [stand-in](super::host::stand_in)'s log in a native process.
///
/// ```
/// use steadfast::metashrew::{initialize, set_log_sink};
///
/// set_log_sink(|level, line| println!("{level:?}: {line}"));
/// initialize();
/// ```
pub fn set_log_sink(sink: LogSink) {
    SINK.with(|slot| *slot = sink);
}

/// A sink for the `log` facade, under the target `steadfast`.
#[cfg(feature = "log")]
pub fn log_facade(level: Level, line: &str) {
    let level = match level {
        Level::Info => log::Level::Info,
        Level::Warning => log::Level::Warn,
        Level::Error => log::Level::Error,
    };
    log::log!(target: "steadfast", level, "{line}");
}

/// Logs one line and panics with the same words.
pub(super) fn halt(message: fmt::Arguments<'_>) -> ! {
    line(Level::Error, message);
    panic!("{message}")
}

/// Logs one line, cut where it exceeds the buffer.
pub(super) fn line(level: Level, line: fmt::Arguments<'_>) {
    let mut text = Line::new();
    // A line that is too long is cut, never refused.
    let _ = fmt::write(&mut text, line);
    let sink = SINK.with(|slot| *slot);
    sink(level, text.text());
}
