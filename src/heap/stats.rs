//! What the heap tells about itself. Counted when asked for, so that allocation pays nothing for
//! it.

use super::Heap;
use super::class::{CLASSES, Class};
use super::map::PartKind;
use super::runs::RunKind;
use super::slab::LIVE;
use super::table::{GRANULE, SLAB_BYTES};
use super::usage::HeapUsage;

/// Number of size classes that slabs serve.
pub const CLASS_COUNT: usize = CLASSES;

/// The state of a heap, in bytes. It depends on the requests so far and on the span's length alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapStats {
    /// The span's length, table included.
    pub budget_bytes: usize,
    /// Sum of the sizes of the live blocks: what was asked for, rounded up to the class or to
    /// whole granules.
    pub live_bytes: usize,
    /// Whole slabs and large blocks. More than `live_bytes` by the free blocks in slabs.
    pub held_bytes: usize,
    /// The greatest `held_bytes` so far.
    pub peak_bytes: usize,
    /// What is in no slab and no large block.
    pub free_bytes: usize,
    /// The greatest part of `free_bytes` in one piece.
    pub largest_free_bytes: usize,
    /// Offset from the span's start of the end of the highest slab or large block so far; no byte
    /// from there on was ever written.
    pub high_water_bytes: usize,
    /// Slabs, empty ones included.
    pub slabs: usize,
    /// Live large blocks.
    pub large_blocks: usize,
}

impl HeapStats {
    /// The share of free bytes outside the largest piece, in thousandths.
    pub const fn external_fragmentation_permille(&self) -> usize {
        if self.free_bytes == 0 {
            return 0;
        }
        let scattered = (self.free_bytes - self.largest_free_bytes) as u64;
        (scattered * 1000 / self.free_bytes as u64) as usize
    }

    /// Those of a heap over `end` granules of which no part has been counted.
    pub(super) const fn before_parts(usage: &HeapUsage, end: usize) -> Self {
        Self {
            budget_bytes: end * GRANULE,
            live_bytes: 0,
            held_bytes: usage.held_bytes,
            peak_bytes: usage.peak_bytes,
            free_bytes: 0,
            largest_free_bytes: 0,
            high_water_bytes: usage.highest_granules * GRANULE,
            slabs: 0,
            large_blocks: 0,
        }
    }

    #[inline(always)]
    pub(super) fn count(&mut self, bytes: usize, kind: PartKind) {
        match kind {
            PartKind::Table => {}
            PartKind::Free | PartKind::Unused => {
                self.free_bytes += bytes;
                self.largest_free_bytes = self.largest_free_bytes.max(bytes);
            }
            PartKind::Large => {
                self.large_blocks += 1;
                self.live_bytes += bytes;
            }
            PartKind::Slab {
                block_bytes,
                live_blocks,
            } => {
                self.slabs += 1;
                self.live_bytes += live_blocks * block_bytes;
            }
        }
    }
}

/// The state of one size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassStats {
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Slabs of the class.
    pub slabs: usize,
    /// Blocks in use.
    pub live_blocks: usize,
    /// Blocks that its slabs have room for.
    pub capacity_blocks: usize,
}

impl ClassStats {
    /// Those of each class, ascending, before any slab is counted.
    pub(super) fn none() -> [Self; CLASS_COUNT] {
        core::array::from_fn(|class| Self {
            block_bytes: Class::numbered(class).map_or(0, Class::block_bytes),
            ..Self::default()
        })
    }

    pub(super) fn count(classes: &mut [Self; CLASS_COUNT], kind: PartKind) {
        let PartKind::Slab {
            block_bytes,
            live_blocks,
        } = kind
        else {
            return;
        };
        if let Some(class) = Class::of(block_bytes) {
            let class = &mut classes[class.number()];
            class.slabs += 1;
            class.live_blocks += live_blocks;
            class.capacity_blocks += SLAB_BYTES / block_bytes;
        }
    }
}

impl Heap {
    /// What the heap keeps up to date by itself. Constant cost.
    pub const fn usage(&self) -> &HeapUsage {
        self.runs.usage()
    }

    /// The state of the heap. Linear in the number of its runs.
    pub fn stats(&self) -> HeapStats {
        let mut counters = HeapStats::before_parts(self.usage(), self.runs.end());
        self.each_part(|bytes, kind| counters.count(bytes, kind));
        let unused = (self.runs.end() - self.runs.top()) * GRANULE;
        counters.count(unused, PartKind::Unused);
        counters
    }

    /// The state of each size class, ascending. Linear in the number of runs.
    pub fn class_stats(&self) -> [ClassStats; CLASS_COUNT] {
        let mut classes = ClassStats::none();
        self.each_part(|_, kind| ClassStats::count(&mut classes, kind));
        classes
    }

    #[inline]
    fn each_part(&self, mut see: impl FnMut(usize, PartKind)) {
        for run in self.runs.walk() {
            let kind = match run.kind() {
                RunKind::Free => PartKind::Free,
                RunKind::Large => PartKind::Large,
                RunKind::Slab => {
                    let slab = self.runs.slab_at(run.at);
                    // SAFETY: a slab stands there.
                    let (block_bytes, used) = unsafe { ((*slab).size, (*slab).used) };
                    PartKind::Slab {
                        block_bytes,
                        live_blocks: used / LIVE,
                    }
                }
            };
            see(run.len() * GRANULE, kind);
        }
    }
}
