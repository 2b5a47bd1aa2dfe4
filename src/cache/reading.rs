//! What an operation has to mind besides the entries: a shared region, a sweep, chance.

use super::forget::Forgetting;
use super::sweep::Sweep;

/// What a lookup does besides finding an entry.
#[derive(Clone, Copy, Debug)]
pub enum Reading {
    /// Counts and promotes.
    Plain,
    /// Something else, for one reason or more.
    Careful(Care),
}

/// Why a lookup does not just count and promote.
#[derive(Clone, Copy, Debug, Default)]
pub struct Care {
    /// Other instances read the same memory: it writes nothing.
    pub is_read_only: bool,
    /// An invalidation is not over yet: it drops what that will drop.
    pub sweep: Option<Sweep>,
    /// It drops what it found now and then.
    pub forgetting: Option<Forgetting>,
}

impl Reading {
    #[inline]
    pub fn is_plain(&self) -> bool {
        matches!(self, Reading::Plain)
    }

    pub fn is_read_only(&self) -> bool {
        matches!(self, Reading::Careful(care) if care.is_read_only)
    }

    pub fn sweep(&self) -> Option<&Sweep> {
        match self {
            Reading::Careful(care) => care.sweep.as_ref(),
            Reading::Plain => None,
        }
    }

    pub fn sweep_mut(&mut self) -> Option<&mut Sweep> {
        match self {
            Reading::Careful(care) => care.sweep.as_mut(),
            Reading::Plain => None,
        }
    }

    pub fn set_sweep(&mut self, sweep: Option<Sweep>) {
        self.set(Care {
            sweep,
            ..self.care()
        });
    }

    pub fn forgetting_mut(&mut self) -> Option<&mut Forgetting> {
        match self {
            Reading::Careful(care) => care.forgetting.as_mut(),
            Reading::Plain => None,
        }
    }

    /// The reasons for care.
    pub fn care(&self) -> Care {
        match self {
            Reading::Careful(care) => *care,
            Reading::Plain => Care::default(),
        }
    }

    /// Sets the reasons for care.
    #[inline(never)]
    pub fn set(&mut self, care: Care) {
        let is_plain = !care.is_read_only && care.sweep.is_none() && care.forgetting.is_none();
        *self = match is_plain {
            true => Reading::Plain,
            false => Reading::Careful(care),
        };
    }
}
