//! Lines for whoever runs the module, formatted in a fixed buffer: they leave the heap alone.

use core::fmt;

use super::host;
use crate::exclusive::Exclusive;
use crate::line::Line;
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

/// Where lines go. Must not call back into this crate's metashrew functions, nor allocate where
/// heap addresses are to stay.
pub type LogSink = fn(Level, &str);

per_instance! {
    static SINK: Exclusive<LogSink> = Exclusive::new(host::log_line);
}

/// Sends all further lines elsewhere.
///
/// Without it they go to the host's `__log` in a metashrew guest, to the standard error in a WASI
/// program, and to the [stand-in](super::host)'s log in a native process. A sink calls none of
/// metashrew's functions: some lines are written from within one.
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

/// Sends the text of each panic to where lines go, at once: its place, and behind a line break its
/// words. Cut at 507 bytes.
///
/// On `wasm32-unknown-unknown` a panic says nothing by itself. Call this first in `_start`. It
/// replaces the panic hook, once; natively the old hook is called too, so that a test shows why it
/// fails. A panic whose text has parts that vary takes a heap block for it, in std. A halt of
/// this crate logs its own line, and its panic is not told again.
///
/// ```
/// steadfast::metashrew::log_panics();
/// ```
#[cfg(feature = "std")]
pub fn log_panics() {
    use alloc::boxed::Box;
    use std::sync::Once;

    static SET: Once = Once::new();
    SET.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let is_told = panic.location().is_some_and(|at| at.file() == file!());
            if !is_told {
                line(Level::Error, format_args!("{panic}"));
            }
            if host::IS_STAND_IN {
                before(panic);
            }
        }));
    });
}

/// Says one line where the lines of a metashrew program go by default. Leaves the heap alone.
pub fn last_words(line: &str) {
    host::log_line(Level::Error, line);
}

/// Logs one line and panics with the same words.
pub(super) fn halt(message: fmt::Arguments<'_>) -> ! {
    line(Level::Error, message);
    panic_told(message)
}

/// Panics with words that have been logged. No other function of this file panics: the hook knows
/// what is told by the file.
pub(super) fn panic_told(message: fmt::Arguments<'_>) -> ! {
    panic!("{message}")
}

/// Logs one line, cut where it exceeds the buffer.
pub(super) fn line(level: Level, line: fmt::Arguments<'_>) {
    let text = Line::of(line);
    let sink = SINK.with(|slot| *slot);
    sink(level, text.text());
}
