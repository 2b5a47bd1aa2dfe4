//! A scripted linear memory for tests: numbers only, refusing and interfering as it is told.

use super::Memory;
use crate::units::Pages;

/// What the host does, apart from counting pages.
#[derive(Clone, Copy, Debug)]
pub struct Script {
    /// Pages that exist at the start: what the module declares, or more when the host grew it
    /// beforehand.
    pub initial: Pages,
    /// No growth beyond this many pages in all.
    pub ceiling: Pages,
    /// Refuses the n-th call of `grow`, counted from 1.
    pub refuse_nth: Option<u32>,
    /// Somebody else grows by so many pages right before the n-th call of `grow`.
    pub foreign: Option<(u32, Pages)>,
}

/// A linear memory that follows a [`Script`].
#[derive(Clone, Debug)]
pub struct HostMemory {
    script: Script,
    size: Pages,
    calls: u32,
    foreign_at: Option<Pages>,
}

impl HostMemory {
    /// The memory at the script's start.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            size: script.initial,
            calls: 0,
            foreign_at: None,
        }
    }

    /// How often `grow` was called.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// The first page that somebody else grew, if it came to that.
    pub fn foreign_at(&self) -> Option<Pages> {
        self.foreign_at
    }

    fn grow_within_ceiling(&mut self, by: Pages) -> Option<Pages> {
        let before = self.size;
        let after = before.0.checked_add(by.0)?;
        if after > self.script.ceiling.0.min(Pages::ADDRESS_SPACE.0) {
            return None;
        }
        self.size = Pages(after);
        Some(before)
    }
}

impl Memory for HostMemory {
    fn size(&self) -> Pages {
        self.size
    }

    fn grow(&mut self, by: Pages) -> Option<Pages> {
        self.calls += 1;
        if let Some((nth, pages)) = self.script.foreign {
            if nth == self.calls {
                self.foreign_at = self.grow_within_ceiling(pages);
            }
        }
        if self.script.refuse_nth == Some(self.calls) {
            return None;
        }
        self.grow_within_ceiling(by)
    }
}
