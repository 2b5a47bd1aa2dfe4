//! INT and TERM: a run ends after the block at hand, everything else at once.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

static STOP: AtomicBool = AtomicBool::new(false);

#[cfg(unix)]
pub use unix::{finish_block_first, listen};

#[cfg(unix)]
mod unix {
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;
    use std::sync::OnceLock;

    use anyhow::Context;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    use super::{STOP, SeqCst};
    use crate::cli::stdin::Stdin;
    use crate::cli::warn;

    /// Of a run that finishes its block: the far end of what its standard input watches.
    static WAKE: OnceLock<UnixStream> = OnceLock::new();

    /// Takes the signals over.
    pub fn listen() -> anyhow::Result<()> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
        std::thread::spawn(move || signals.forever().for_each(handle));
        Ok(())
    }

    fn handle(signal: i32) {
        /// What shells add to a signal's number for the status of a process that it ended.
        const ENDED_BY: i32 = 128;
        let is_second = STOP.swap(true, SeqCst);
        match WAKE.get() {
            Some(wake) if !is_second => {
                // The run may be waiting for a block. It fails only where it no longer does.
                let _ = wake.shutdown(Shutdown::Both);
                warn("stopping: a block at hand is finished first; a second signal stops at once");
            }
            _ => {
                steadfast_host::scratch::remove_all();
                std::process::exit(ENDED_BY + signal);
            }
        }
    }

    /// From now on the first signal is left to the caller, who asks
    /// [`is_stopped`](super::is_stopped) after each block. Returns standard input: reading from it
    /// fails at the signal.
    pub fn finish_block_first() -> anyhow::Result<Stdin> {
        let (wake, stop) = UnixStream::pair().context("cannot listen for signals")?;
        let stdin = Stdin::until(stop).context("cannot read standard input")?;
        WAKE.get_or_init(|| wake);
        Ok(stdin)
    }
}

/// Elsewhere the system ends the process.
#[cfg(not(unix))]
pub fn listen() -> anyhow::Result<()> {
    Ok(())
}

/// Standard input.
#[cfg(not(unix))]
pub fn finish_block_first() -> anyhow::Result<std::io::Stdin> {
    Ok(std::io::stdin())
}

/// Whether there was a signal.
pub fn is_stopped() -> bool {
    STOP.load(SeqCst)
}
