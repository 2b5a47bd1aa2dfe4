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
    /// Bytes of one buffer, and a table besides: the index that was not taken. Measured only where it is asked for.
    Buffer,
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
    /// The "size" in KiB with which it has the most hits in row `zipf-real-64m`; `--fit` finds it.
    pub fits_64m_kib: u64,
}

#[rustfmt::skip]
const SUBJECTS: [Subject; 13] = [
    subject("steadfast", "steadfast", 0, Bound::Region, 0),
    subject("lru-mem-metashrew", "lru-mem-metashrew", 0, Bound::Own, 42_752),
    subject("lru-mem", "lru-mem", 0, Bound::Own, 46_848),
    subject("lru", "lru", 0, Bound::Entries, 39_168),
    subject("schnellru", "schnellru", 0, Bound::Entries, 39_424),
    subject("hashlink", "hashlink", 0, Bound::Entries, 39_424),
    subject("quick_cache", "quick_cache", 0, Bound::Payload, 25_856),
    subject("clru", "clru", 0, Bound::Payload, 38_912),
    subject("mini-moka", "mini-moka", 0, Bound::Payload, 24_064),
    subject("bound-hashbrown", "bound-hashbrown", 0, Bound::None, 0),
    subject("hashbrown-index", "hashbrown-index", 0, Bound::Buffer, 57_344),
    subject("hashbrown-index-x1", "hashbrown-index", 1, Bound::Buffer, 57_344),
    subject("hashbrown-index-x2", "hashbrown-index", 2, Bound::Buffer, 61_440),
];

const fn subject(
    name: &'static str,
    module: &'static str,
    variant: u32,
    bound: Bound,
    fits_64m_kib: u64,
) -> Subject {
    Subject {
        name,
        module,
        variant,
        bound,
        fits_64m_kib,
    }
}

/// Those that are asked for, by name; without any, all but the candidates for the index.
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
        [] => subject.bound != Bound::Buffer,
        names => names.iter().any(|name| name == subject.name),
    };
    Ok(SUBJECTS.iter().filter(wanted).collect())
}

/// Those that evict.
pub fn bounded<'a>(subjects: &[&'a Subject]) -> Vec<&'a Subject> {
    let bounded = subjects
        .iter()
        .filter(|subject| subject.bound != Bound::None);
    bounded.copied().collect()
}

impl Subject {
    /// Whether it is one of ours.
    pub fn is_ours(&self) -> bool {
        self.bound == Bound::Region
    }

    /// Whether it is another crate's cache.
    pub fn is_peer(&self) -> bool {
        matches!(self.bound, Bound::Payload | Bound::Own | Bound::Entries)
    }

    /// A cache of so many bytes, in the terms in which this one can be told.
    pub fn capacity(&self, bytes: u64) -> Capacity {
        self.capacity_of(bytes, ENTRY_BYTES)
    }

    /// The same where entries have so many bytes.
    pub fn capacity_of(&self, bytes: u64, entry_bytes: u64) -> Capacity {
        if self.bound == Bound::Buffer {
            let entries = bytes / (entry_bytes + 28);
            return self.buffer(bytes - self.table_bytes(entries), entries);
        }
        Capacity {
            bytes: bytes as u32,
            entries: (bytes / entry_bytes) as u32,
            variant: self.variant,
            region: self.is_ours().then_some(bytes as u32),
        }
    }

    /// A cache that holds so many entries for sure.
    pub fn capacity_for(&self, entries: u64) -> Capacity {
        if self.bound == Bound::Buffer {
            // A header and rounding.
            return self.buffer(entries * (ENTRY_BYTES + 22) + (64 << 10), entries);
        }
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

    fn buffer(&self, bytes: u64, entries: u64) -> Capacity {
        Capacity {
            bytes: bytes as u32,
            entries: entries as u32,
            variant: self.variant,
            region: None,
        }
    }

    /// What the table of a [`Bound::Buffer`] takes: five bytes a slot, of which an eighth stays vacant, and a power of two of them.
    fn table_bytes(&self, entries: u64) -> u64 {
        let most = entries * u64::from(self.variant.max(1));
        (most * 8 / 7).next_power_of_two() * 5
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
