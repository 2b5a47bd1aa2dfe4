//! INT and TERM: a run ends after the block at hand, everything else at once.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

static FINISHES_BLOCK: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

/// Takes the signals over.
#[cfg(unix)]
pub fn listen() -> anyhow::Result<()> {
    use anyhow::Context;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot listen for signals")?;
    std::thread::spawn(move || signals.forever().for_each(handle));
    Ok(())
}

/// Elsewhere the system ends the process.
#[cfg(not(unix))]
pub fn listen() -> anyhow::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn handle(signal: i32) {
    /// What shells add to a signal's number for the status of a process that it ended.
    const ENDED_BY: i32 = 128;
    let is_second = STOP.swap(true, SeqCst);
    if is_second || !FINISHES_BLOCK.load(SeqCst) {
        steadfast_host::scratch::remove_all();
        std::process::exit(ENDED_BY + signal);
    }
    super::warn("stopping after the block at hand; a second signal stops at once");
}

/// From now on the first signal is left to the caller, who asks [`is_stopped`] after each block.
pub fn finish_block_first() {
    FINISHES_BLOCK.store(true, SeqCst);
}

/// Whether there was a signal.
pub fn is_stopped() -> bool {
    STOP.load(SeqCst)
}
