//! Which of the cache's entries a read may be answered from.

use alloc::vec::Vec;

use crate::cache::{Cache, HashedKey, Lookup, Scope};

/// What [`get`](super::get) may be answered from, besides the writes at hand and the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// The indexer's entries. What the host answers is stored there.
    Main,
    /// The indexer's entries from this height or before. They still hold at the cache's own height,
    /// so no block between the two has changed them.
    MainUpTo(u32),
    /// The entries of views at this height. What the host answers is stored there.
    View(u32),
    /// Nothing.
    Nothing,
}

impl Visible {
    /// What a read as of a height may see of an image that other instances map too. Without a
    /// height it sees all of it: the host has mapped it for this state.
    pub fn of_image(image_height: u32, height: Option<u32>) -> Visible {
        match height {
            Some(height) if height > image_height => Visible::Nothing,
            Some(height) if height < image_height => Visible::MainUpTo(height),
            _ => Visible::Main,
        }
    }

    /// The value of a key: from an entry that is visible, or as `fetch` gives it.
    pub fn read<'a>(
        self,
        cache: &'a mut Cache,
        key: &HashedKey<&[u8]>,
        fetch: impl FnOnce() -> Vec<u8>,
    ) -> Lookup<'a, Vec<u8>> {
        let scope = match self {
            Visible::Main => Scope::Main,
            Visible::View(height) => Scope::View(height),
            Visible::MainUpTo(height) => {
                let held = cache.peek_up_to(key.bytes(), height);
                return held.map_or_else(|| Lookup::Miss(fetch()), Lookup::Hit);
            }
            Visible::Nothing => return Lookup::Miss(fetch()),
        };
        cache.scope(scope).get_or_fetch_hashed(key, fetch)
    }
}
