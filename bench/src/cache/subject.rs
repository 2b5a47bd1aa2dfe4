//! Who is measured.

use anyhow::{Result, anyhow, ensure};
use wasmtime::{Engine, Module};

use super::ENTRY_BYTES;
use super::instance::Capacity;
use crate::guests;

/// What bounds a cache.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Its region: one of ours.
    Region,
    /// Bytes of keys and values.
    Payload,
    /// Bytes as it counts them itself.
    Own,
    /// The number of its entries.
    Entries,
}

/// What is known of a cache before it is measured.
pub struct Subject {
    /// Its name in the figures; its module has `cache-` in front.
    pub name: &'static str,
    /// What bounds it.
    pub bound: Bound,
    /// The "size" in KiB with which it has the most hits in row `zipf-real-64m`; `--fit` finds it.
    pub fits_64m_kib: u64,
}

#[rustfmt::skip]
const SUBJECTS: [Subject; 7] = [
    subject("steadfast", Bound::Region, 0),
    subject("lru-mem", Bound::Own, 46_848),
    subject("lru", Bound::Entries, 39_168),
    subject("schnellru", Bound::Entries, 39_424),
    subject("hashlink", Bound::Entries, 39_424),
    subject("quick_cache", Bound::Payload, 25_856),
    subject("clru", Bound::Payload, 38_912),
];

const fn subject(name: &'static str, bound: Bound, fits_64m_kib: u64) -> Subject {
    Subject {
        name,
        bound,
        fits_64m_kib,
    }
}

/// Those that are asked for, by name; without any, all.
///
/// # Errors
/// When there is no such subject.
pub fn named(names: &[String]) -> Result<Vec<&'static Subject>> {
    for name in names {
        ensure!(
            SUBJECTS.iter().any(|subject| subject.name == name),
            "there is no subject {name}"
        );
    }
    let wanted = |subject: &&Subject| match names {
        [] => true,
        names => names.iter().any(|name| name == subject.name),
    };
    Ok(SUBJECTS.iter().filter(wanted).collect())
}

impl Subject {
    /// Whether it is one of ours.
    pub fn is_ours(&self) -> bool {
        self.bound == Bound::Region
    }

    /// A cache of so many bytes, in the terms in which this one can be told.
    pub fn capacity(&self, bytes: u64) -> Capacity {
        self.capacity_of(bytes, ENTRY_BYTES)
    }

    /// The same where entries have so many bytes.
    pub fn capacity_of(&self, bytes: u64, entry_bytes: u64) -> Capacity {
        Capacity {
            bytes: bytes as u32,
            entries: (bytes / entry_bytes) as u32,
            region: self.is_ours().then_some(bytes as u32),
        }
    }

    /// A cache that holds so many entries for sure.
    pub fn capacity_for(&self, entries: u64) -> Capacity {
        // Twice the bytes, but for ours, which is to show how little it needs: 30 bytes an entry,
        // and its header.
        let region = entries * (ENTRY_BYTES + 30) + (64 << 10);
        Capacity {
            bytes: (2 * entries * (ENTRY_BYTES + 100)).min(3 << 30) as u32,
            entries: entries as u32,
            region: self
                .is_ours()
                .then_some(region.next_multiple_of(64 << 10) as u32),
        }
    }

    /// Compiles its module; one of ours has others with other plans, told by a suffix.
    ///
    /// # Errors
    /// When it was not built.
    pub fn compile(&self, engine: &Engine, plan: &str) -> Result<Module> {
        let plan = if self.is_ours() { plan } else { "" };
        let bytes = guests::read(&format!("bench/cache-{}{plan}.wasm", self.name))?;
        Module::new(engine, &bytes).map_err(|error| anyhow!("{error:?}"))
    }
}
