//! What the heap tells about itself. Counted when asked for, so that allocation pays nothing for it.

use super::Heap;
use super::class::{self, CLASSES};
use super::runs::{Gauges, Run, SLAB_BYTES};
use super::slab::LIVE;
use super::table::GRANULE;

/// Number of size classes that slabs serve.
pub const CLASS_COUNT: usize = CLASSES;

/// The state of a heap, in bytes. It depends on the requests so far and on the span's length alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The span's length, table included.
    pub budget_bytes: usize,
    /// Sum of the sizes of the live blocks: what was asked for, rounded up to the class or to whole granules.
    pub live_bytes: usize,
    /// Whole slabs and large blocks. More than `live_bytes` by the free blocks in slabs.
    pub held_bytes: usize,
    /// The greatest `held_bytes` so far.
    pub peak_bytes: usize,
    /// What is in no slab and no large block.
    pub free_bytes: usize,
    /// The greatest part of `free_bytes` in one piece.
    pub largest_free_bytes: usize,
    /// Offset from the span's start of the end of the highest slab or large block so far; no byte from there on was
    /// ever written.
    pub high_water_bytes: usize,
    /// Slabs, empty ones included.
    pub slabs: usize,
    /// Live large blocks.
    pub large_blocks: usize,
}

impl Counters {
    /// The share of free bytes outside the largest piece, in thousandths.
    pub const fn external_fragmentation_permille(&self) -> usize {
        if self.free_bytes == 0 {
            return 0;
        }
        let scattered = (self.free_bytes - self.largest_free_bytes) as u64;
        (scattered * 1000 / self.free_bytes as u64) as usize
    }
}

/// The state of one size class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassCounters {
    /// Bytes of a block.
    pub block_bytes: usize,
    /// Slabs of the class.
    pub slabs: usize,
    /// Blocks in use.
    pub live_blocks: usize,
    /// Blocks that its slabs have room for.
    pub capacity_blocks: usize,
}

impl Heap {
    /// What the heap keeps up to date by itself. Constant cost.
    pub const fn gauges(&self) -> &Gauges {
        self.runs.gauges()
    }

    /// The state of the heap. Linear in the number of its runs.
    pub fn counters(&self) -> Counters {
        let tail = (self.runs.end() - self.runs.top()) * GRANULE;
        let mut counters = Counters {
            budget_bytes: self.runs.end() * GRANULE,
            held_bytes: self.runs.gauges().held_bytes,
            peak_bytes: self.runs.gauges().peak_bytes,
            free_bytes: tail,
            largest_free_bytes: tail,
            high_water_bytes: self.runs.highest() * GRANULE,
            ..Counters::default()
        };
        for (at, run) in self.runs.walk() {
            let bytes = run.len() * GRANULE;
            match run {
                Run::Free { .. } => {
                    counters.free_bytes += bytes;
                    counters.largest_free_bytes = counters.largest_free_bytes.max(bytes);
                }
                Run::Large { .. } => {
                    counters.large_blocks += 1;
                    counters.live_bytes += bytes;
                }
                Run::Slab => {
                    let (class, live) = self.slab_use(at);
                    counters.slabs += 1;
                    counters.live_bytes += live * class::size(class);
                }
            }
        }
        counters
    }

    /// The state of each size class, ascending. Linear in the number of runs.
    pub fn class_counters(&self) -> [ClassCounters; CLASS_COUNT] {
        let mut classes: [ClassCounters; CLASS_COUNT] =
            core::array::from_fn(|class| ClassCounters {
                block_bytes: class::size(class),
                ..ClassCounters::default()
            });
        for (at, run) in self.runs.walk() {
            if run == Run::Slab {
                let (class, live) = self.slab_use(at);
                if let Some(counters) = classes.get_mut(class) {
                    counters.slabs += 1;
                    counters.live_blocks += live;
                    counters.capacity_blocks += SLAB_BYTES / counters.block_bytes;
                }
            }
        }
        classes
    }

    /// The class of the slab at granule `at`, and how many of its blocks are in use.
    fn slab_use(&self, at: usize) -> (usize, usize) {
        let slab = self.runs.slab_at(at);
        // SAFETY: a slab stands there.
        unsafe { ((*slab).class(), (*slab).used / LIVE) }
    }
}
