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
    /// Nothing.
    None,
}

/// What is known of a cache before it is measured.
pub struct Subject {
    /// Its name in the figures.
    pub name: &'static str,
    /// The module's name, without `cache-`.
    module: &'static str,
    /// What is passed on to `open`.
    variant: u32,
    /// What bounds it.
    pub bound: Bound,
    /// The largest "size" in KiB with which it gets through row `zipf-real-64m`; `--fit` finds it.
    pub fits_64m_kib: u64,
}

#[rustfmt::skip]
const SUBJECTS: [Subject; 10] = [
    subject("steadfast", "steadfast", 0, Bound::Region, true, 0),
    subject("lru-mem-metashrew", "lru-mem-metashrew", 0, Bound::Own, true, 30_000),
    subject("lru-mem", "lru-mem", 0, Bound::Own, true, 30_000),
    subject("lru", "lru", 0, Bound::Entries, true, 30_000),
    subject("schnellru", "schnellru", 0, Bound::Entries, true, 30_000),
    subject("hashlink", "hashlink", 0, Bound::Entries, true, 30_000),
    subject("quick_cache", "quick_cache", 0, Bound::Payload, false, 30_000),
    subject("clru", "clru", 0, Bound::Payload, true, 30_000),
    subject("mini-moka", "mini-moka", 0, Bound::Payload, false, 30_000),
    subject("bound-hashbrown", "bound-hashbrown", 0, Bound::None, false, 0),
];

const fn subject(
    name: &'static str,
    module: &'static str,
    variant: u32,
    bound: Bound,
    is_strict_lru: bool,
    fits_64m_kib: u64,
) -> Subject {
    Subject {
        name,
        module,
        variant,
        bound,
        is_strict_lru,
        fits_64m_kib,
    }
}

/// Those that are asked for, by name; all without any.
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
    let wanted =
        |subject: &&Subject| names.is_empty() || names.iter().any(|name| name == subject.name);
    Ok(SUBJECTS.iter().filter(wanted).collect())
}

impl Subject {
    /// Whether it is one of ours.
    pub fn is_ours(&self) -> bool {
        self.bound == Bound::Region
    }

    /// A cache of so many bytes, in the terms in which this one can be told.
    pub fn capacity(&self, bytes: u64) -> Capacity {
        Capacity {
            bytes: bytes as u32,
            entries: (bytes / ENTRY_BYTES) as u32,
            variant: self.variant,
            region: self.is_ours().then_some(bytes as u32),
        }
    }

    /// A cache that holds so many entries for sure.
    pub fn capacity_for(&self, entries: u64) -> Capacity {
        // Twice the bytes, but for ours, which is to show how little it needs: 28 bytes an entry, and its header.
        let region = entries * (ENTRY_BYTES + 28) + (64 << 10);
        Capacity {
            bytes: (2 * entries * (ENTRY_BYTES + 100)).min(3 << 30) as u32,
            entries: entries as u32,
            variant: self.variant,
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
        let bytes = guests::read(&format!("bench/cache-{}{plan}.wasm", self.module))?;
        Module::new(engine, &bytes).map_err(|error| anyhow!("{error:?}"))
    }
}
