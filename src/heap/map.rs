//! A heap's state as a host reads it, from the bytes of linear memory. Total: any bytes give a map
//! or a fault.

use core::mem::offset_of;

use thiserror::Error;

use super::class::is_size;
use super::slab::{LIVE, Slab};
use super::stats::{CLASS_COUNT, ClassStats, HeapStats};
use super::table::{FREE, GRANULE, KIND_BITS, LARGE, SLAB_BYTES, UNIT, WORD};
use super::usage::HeapUsage;

/// Which of a slab's words counts its blocks in use.
const USED_WORD: usize = offset_of!(Slab, used) / WORD;

/// Why bytes are not those of a heap. Offsets are in bytes from the span's start.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MapError {
    /// Words of another width than 4 or 8 bytes.
    #[error("a heap has words of 4 or 8 bytes, not of {0}")]
    WordBytes(usize),
    /// Fewer bytes than the usage words take.
    #[error("the usage words have {0} bytes, these are fewer")]
    Usage(usize),
    /// The usage words say more than the span has, or less than its table takes.
    #[error("the usage words put the end of the used part at offset {0}, which cannot be")]
    Used(usize),
    /// A run of no length, or one that reaches past the part in use.
    #[error("the run at offset {0} has no length, or one that leaves the heap")]
    RunLength(usize),
    /// A slab of no class, out of place, or with more blocks in use than it holds.
    #[error("the slab at offset {0} has bad words")]
    Slab(usize),
}

/// What a part of the span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartKind {
    /// The heap's own table: the first part.
    Table,
    /// Free memory between blocks.
    Free,
    /// One large block.
    Large,
    /// Blocks of one size.
    Slab {
        /// Bytes of a block.
        block_bytes: usize,
        /// Blocks in use.
        live_blocks: usize,
    },
    /// All behind the last block: the last part, of no length in a full heap.
    Unused,
}

/// A part of the span. In bytes, from the span's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub offset: usize,
    /// Its length.
    pub len: usize,
    /// What it is.
    pub kind: PartKind,
}

/// The map of a heap in a copy, or a view, of the memory that holds it.
///
/// ```no_run
/// use steadfast::heap::HeapMap;
/// use steadfast::instance_info::InstanceInfo;
///
/// # fn map(memory: &[u8], info: &InstanceInfo) -> Option<()> {
/// let (start, len) = (info.heap_start as usize, info.heap_len as usize);
/// let span = memory.get(start..start + len)?;
/// let usage = memory.get(info.heap_usage_address as usize..)?;
/// let map = HeapMap::read(span, usage, 4).ok()?;
/// for part in map.parts() {
///     println!("{:#010x} {:>9} {:?}", start + part.offset, part.len, part.kind);
/// }
/// println!("{} ‰ of the free bytes are scattered", map.stats().external_fragmentation_permille());
/// # Some(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HeapMap<'a> {
    span: &'a [u8],
    word_bytes: usize,
    usage: HeapUsage,
}

impl<'a> HeapMap<'a> {
    /// Bytes of a [`HeapUsage`] in a module.
    pub const USAGE_BYTES: usize = 5 * 4;

    /// Reads the heap over `span`, whose [`HeapUsage`] stands at the start of `usage`. `word_bytes`
    /// are those of a pointer where the heap runs: 4 in a module. Linear in the number of runs.
    ///
    /// # Errors
    /// When the bytes are not those of a heap.
    pub fn read(span: &'a [u8], usage: &[u8], word_bytes: usize) -> Result<Self, MapError> {
        if word_bytes != 4 && word_bytes != 8 {
            return Err(MapError::WordBytes(word_bytes));
        }
        let usage = HeapUsage::read(usage, word_bytes).ok_or(MapError::Usage(5 * word_bytes))?;
        let map = Self {
            span,
            word_bytes,
            usage,
        };
        let used = usage.used_granules;
        if used < map.first() || used > usage.highest_granules || usage.highest_granules > map.end()
        {
            return Err(MapError::Used(used.saturating_mul(GRANULE)));
        }
        let mut at = map.first();
        while at < used {
            at += map.part(at)?.len / GRANULE;
        }
        Ok(map)
    }

    /// How much of the heap is in use.
    pub const fn usage(&self) -> &HeapUsage {
        &self.usage
    }

    /// Every part of the span, in order, without gaps.
    pub fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        let used = self.usage.used_granules * GRANULE;
        let table = Part {
            offset: 0,
            len: self.first() * GRANULE,
            kind: PartKind::Table,
        };
        let unused = Part {
            offset: used,
            len: self.end() * GRANULE - used,
            kind: PartKind::Unused,
        };
        let mut at = self.first();
        let runs = core::iter::from_fn(move || {
            // Every run was found sound when the map was read.
            let part = self.part(at).ok().filter(|part| part.offset < used)?;
            at += part.len / GRANULE;
            Some(part)
        });
        core::iter::once(table).chain(runs).chain([unused])
    }

    /// What [`Heap::stats`](super::Heap::stats) counts, in the module.
    pub fn stats(&self) -> HeapStats {
        let mut counters = HeapStats::before_parts(&self.usage, self.end());
        for part in self.parts() {
            counters.count(part.len, part.kind);
        }
        counters
    }

    /// What [`Heap::class_stats`](super::Heap::class_stats) counts, in the module.
    pub fn class_stats(&self) -> [ClassStats; CLASS_COUNT] {
        let mut classes = ClassStats::none();
        for part in self.parts() {
            ClassStats::count(&mut classes, part.kind);
        }
        classes
    }

    /// The run at granule `at`.
    fn part(&self, at: usize) -> Result<Part, MapError> {
        let offset = at.saturating_mul(GRANULE);
        let bad = MapError::RunLength(offset);
        let word = self.word(at).ok_or(bad)?;
        let (len, kind) = match word & (FREE | LARGE) {
            0 => (UNIT, self.slab(at, word).ok_or(MapError::Slab(offset))?),
            FREE => (word >> KIND_BITS, PartKind::Free),
            _ => (word >> KIND_BITS, PartKind::Large),
        };
        if len == 0 || len > self.usage.used_granules.saturating_sub(at) {
            return Err(bad);
        }
        Ok(Part {
            offset,
            len: len * GRANULE,
            kind,
        })
    }

    fn slab(&self, at: usize, block_bytes: usize) -> Option<PartKind> {
        if !is_size(block_bytes) || at % UNIT != 0 {
            return None;
        }
        let live_blocks = self.word(at + USED_WORD)? / LIVE;
        (live_blocks <= SLAB_BYTES / block_bytes).then_some(PartKind::Slab {
            block_bytes,
            live_blocks,
        })
    }

    /// Granules of the table.
    fn first(&self) -> usize {
        (self.end() * self.word_bytes).div_ceil(GRANULE)
    }

    /// Granules of the span.
    fn end(&self) -> usize {
        self.span.len() / GRANULE
    }

    fn word(&self, at: usize) -> Option<usize> {
        word(self.span, at, self.word_bytes)
    }
}

/// Word `at` of `bytes`.
pub(super) fn word(bytes: &[u8], at: usize, word_bytes: usize) -> Option<usize> {
    let start = at.checked_mul(word_bytes)?;
    let word = bytes.get(start..start.checked_add(word_bytes)?)?;
    if let Ok(word) = word.try_into() {
        return usize::try_from(u64::from_le_bytes(word)).ok();
    }
    usize::try_from(u32::from_le_bytes(word.try_into().ok()?)).ok()
}
