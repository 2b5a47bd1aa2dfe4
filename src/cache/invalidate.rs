//! Dropping what was written above a height, a few entries at a time if wanted.
//!
//! A lookup answers nothing from above the height until the sweep is over.

use super::contents::Contents;
use super::sweep::Sweep;
use crate::region::ENTRY_HEADER_BYTES;

/// How far an invalidation came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalidated {
    /// Entries that this call dropped.
    pub dropped: usize,
    /// Whether no entry from above the height is left.
    pub done: bool,
}

/// Looks at up to `steps` entries and drops those written above the height; goes on where the last
/// call stopped. A sweep for a lower height that is not over yet goes on instead: it drops those
/// too.
pub fn invalidate_above(contents: &mut Contents, height: u32, steps: usize) -> Invalidated {
    let begun = contents.reading.sweep().copied();
    let begun = begun.filter(|sweep| sweep.height <= height);
    // A host that has emptied the region has ended the sweep too.
    let begun = begun.filter(|_| contents.region.header().sweep_above().is_some());
    let mut sweep = begun.unwrap_or_else(|| Sweep::new(&contents.region, height));
    contents.end_sweep();
    let mut dropped = 0;
    for _ in 0..steps {
        let Some(next) = sweep.next_mut() else { break };
        let at = *next;
        let Some(entry) = contents.region.entry(at) else {
            contents.start_over();
            break;
        };
        *next = entry.newer;
        if sweep.drops(entry) {
            if contents.drop_entry(at).is_none() {
                break;
            }
            dropped += 1;
        }
    }
    // After a fault there is nothing left to look at.
    let done = sweep.next_mut().is_none() || contents.is_empty();
    if !done {
        contents.begin_sweep(sweep);
    }
    Invalidated { dropped, done }
}

/// As [`invalidate_above`], to the end. Returns how many entries it dropped.
pub fn invalidate_all_above(contents: &mut Contents, height: u32) -> usize {
    let entries = contents.arena_bytes() / ENTRY_HEADER_BYTES;
    let Invalidated { dropped, done } = invalidate_above(contents, height, entries as usize);
    if !done {
        // More steps than there can be entries: the links form a circle.
        contents.start_over();
    }
    dropped
}

/// Goes on with the sweep that was not over when the image was taken, from its beginning.
pub fn resume(contents: &mut Contents) {
    if let Some(height) = contents.region.header().sweep_above() {
        let sweep = Sweep::new(&contents.region, height);
        contents.reading.set_sweep(Some(sweep));
    }
}
