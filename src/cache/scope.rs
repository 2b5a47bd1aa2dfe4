//! Whose entries an operation deals with.

use super::hash::hash;
use crate::region::EntryHeader;

/// A recency list with a quota of its own. All pools share one arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    /// The indexer's entries.
    Main,
    /// The entries of views, told apart by their height.
    Views,
    /// The entries of the application itself.
    Application,
}

impl Pool {
    /// Every pool, in the order of their accounts in the region's header.
    pub const ALL: [Pool; 3] = [Pool::Main, Pool::Views, Pool::Application];

    /// The place of its account in the region's header.
    pub(super) const fn number(self) -> usize {
        self as usize
    }
}

/// The entries that an operation deals with. The same key in two scopes is two entries: neither
/// scope ever sees the other's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The indexer's entries, in [`Pool::Main`].
    #[default]
    Main,
    /// The entries of views at this height, in [`Pool::Views`].
    View(u32),
    /// The application's entries, in [`Pool::Application`].
    Application,
}

impl Scope {
    /// The pool that holds the scope's entries.
    #[must_use]
    pub const fn pool(self) -> Pool {
        match self {
            Scope::Main => Pool::Main,
            Scope::View(_) => Pool::Views,
            Scope::Application => Pool::Application,
        }
    }

    /// The place of its pool's account in the region's header.
    #[inline]
    pub(super) const fn number(self) -> usize {
        self.pool().number()
    }

    /// The hash of a key in this scope.
    #[inline]
    pub(super) fn hash(self, key: &[u8]) -> u64 {
        self.hash_of(hash(key))
    }

    /// The hash in this scope of a key with this [`hash`].
    #[inline]
    pub(super) fn hash_of(self, hash: u64) -> u64 {
        const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
        let differs = match self {
            Scope::Main => return hash,
            Scope::Application => 1,
            Scope::View(height) => 2 + u64::from(height),
        };
        hash ^ ODD.wrapping_mul(differs)
    }

    /// Whether an entry of this scope's pool is in this scope.
    #[inline]
    pub(super) fn holds(self, entry: &EntryHeader) -> bool {
        match self {
            Scope::View(height) => entry.height == height,
            Scope::Main | Scope::Application => true,
        }
    }

    /// The scope that an entry is in; `None` if no scope has entries like this.
    pub(super) fn of(entry: &EntryHeader) -> Option<Scope> {
        Some(match Pool::ALL.get(entry.pool())? {
            Pool::Main => Scope::Main,
            Pool::Views => Scope::View(entry.height),
            Pool::Application => Scope::Application,
        })
    }
}
