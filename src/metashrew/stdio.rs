//! Text for the host's log, as metashrew's `println!` writes it.

use core::fmt;

use super::host;

/// Writes to where a program's lines go: `__log` in a metashrew guest, the standard error in a WASI
/// program. It leaves the heap alone.
#[derive(Clone, Copy, Debug)]
pub struct Stdout(());

/// The writer that [`println!`](crate::metashrew::println) uses.
///
/// ```
/// use core::fmt::Write;
/// use steadfast::metashrew::stdout;
///
/// writeln!(stdout(), "block {}", 849_236).expect("never fails");
/// ```
#[must_use]
pub fn stdout() -> Stdout {
    Stdout(())
}

impl fmt::Write for Stdout {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        host::log_text(text);
        Ok(())
    }
}

/// Writes a line to the host's log.
///
/// ```
/// use steadfast::metashrew::println;
///
/// println!("{} transactions", 2_410);
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! __metashrew_println {
    () => {
        $crate::__metashrew_print!("\n")
    };
    ($($text:tt)+) => {
        $crate::__metashrew_print!("{}\n", ::core::format_args!($($text)+))
    };
}

/// Writes text to the host's log. A line ends with the first newline that is written.
#[doc(hidden)]
#[macro_export]
macro_rules! __metashrew_print {
    ($($text:tt)*) => {{
        let _ = ::core::fmt::Write::write_fmt(
            &mut $crate::metashrew::stdout(),
            ::core::format_args!($($text)*),
        );
    }};
}

#[doc(inline)]
pub use {__metashrew_print as print, __metashrew_println as println};
