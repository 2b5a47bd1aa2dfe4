//! Plays operations on a heap, and panics where it does not do what an allocator must.

use std::alloc::Layout;
use std::collections::BTreeMap;

use steadfast::heap::{Heap, HeapMap, HeapUsage, MAX_ALIGN};

use super::{Op, Span};

/// Fills blocks up to this size whole, and longer ones at both ends and sparsely between.
const FILLED: usize = 256;
const EDGE: usize = 64;
const STRIDE: usize = 509;

static ZEROS: [u8; 4096] = [0; 4096];

struct Live {
    block: *mut u8,
    layout: Layout,
    seed: u8,
}

/// A heap with an oracle beside it.
pub struct Player {
    heap: Heap,
    span: Span,
    /// What the largest block had at first.
    whole: usize,
    live: Vec<Live>,
    /// Offset of each live block, with the offset of its end.
    taken: BTreeMap<usize, usize>,
    blocks: u64,
    refused: u64,
    digest: u64,
}

impl Player {
    /// A player on a new heap over `span`.
    pub fn new(span: Span) -> Self {
        // SAFETY: the player keeps both, and makes no other heap.
        let heap = unsafe { span.heap() };
        let whole = heap.stats().largest_free_bytes;
        Self {
            heap,
            span,
            whole,
            live: Vec::new(),
            taken: BTreeMap::new(),
            blocks: 0,
            refused: 0,
            digest: 0xcbf2_9ce4_8422_2325,
        }
    }

    /// The heap.
    pub fn heap(&self) -> &Heap {
        &self.heap
    }

    /// Live blocks.
    pub fn live(&self) -> usize {
        self.live.len()
    }

    /// Requests that the heap refused.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// A digest of every request with the offset that it got. Equal for equal operations on spans
    /// of equal length.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// Does `op`, and checks its outcome.
    pub fn play(&mut self, op: Op) {
        match op {
            Op::Alloc {
                size,
                align,
                zeroed,
            } => {
                self.alloc(size, align, zeroed);
            }
            Op::Dealloc { slot } if !self.live.is_empty() => self.dealloc(slot % self.live.len()),
            Op::Realloc { slot, size } if !self.live.is_empty() => {
                self.realloc(slot % self.live.len(), size);
            }
            Op::Drain { slot, keep } => {
                let mut slot = slot;
                while self.live.len() > keep {
                    slot = (slot + 7919) % self.live.len();
                    self.dealloc(slot);
                }
            }
            Op::Dealloc { .. } | Op::Realloc { .. } => {}
        }
    }

    /// Checks the heap's whole state, and its counters against the oracle.
    pub fn validate(&self) {
        if let Err(fault) = self.heap.validate() {
            panic!("{fault} ({fault:?})");
        }
        let counters = self.heap.stats();
        let asked: usize = self.live.iter().map(|live| live.layout.size()).sum();
        assert!(
            asked <= counters.live_bytes,
            "{asked} bytes are live, the heap counts {}",
            counters.live_bytes
        );
        assert!(
            counters.live_bytes <= counters.held_bytes
                && counters.held_bytes <= counters.peak_bytes
        );
        assert!(counters.held_bytes + counters.free_bytes <= counters.budget_bytes);
        assert!(counters.largest_free_bytes <= counters.free_bytes);
        let end = self.taken.last_key_value().map_or(0, |(_, &end)| end);
        assert!(
            end <= counters.high_water_bytes && counters.high_water_bytes <= counters.budget_bytes
        );
        self.compare_map();
    }

    /// Checks what a host would read from the span's bytes against what the heap counts.
    fn compare_map(&self) {
        let usage = usage_bytes(self.heap.usage());
        let map = HeapMap::read(self.span.bytes(), &usage, size_of::<usize>())
            .expect("a sound heap has a map");
        assert_eq!(map.stats(), self.heap.stats());
        assert_eq!(map.class_stats(), self.heap.class_stats());
        let end = map.parts().fold(0, |end, part| {
            assert_eq!(part.offset, end, "{:?} leaves a gap", part.kind);
            end + part.len
        });
        assert_eq!(end, self.span.len());
    }

    /// Asks for a block. False if the heap refused.
    pub fn alloc(&mut self, size: usize, align: usize, zeroed: bool) -> bool {
        let size = size.min(isize::MAX as usize - (align - 1));
        let layout = Layout::from_size_align(size, align).expect("the size was clamped");
        let block = if zeroed {
            self.heap.alloc_zeroed(layout)
        } else {
            self.heap.alloc(layout)
        };
        self.note(block, layout);
        if block.is_null() {
            self.refused += 1;
            return false;
        }
        if zeroed {
            // SAFETY: the block is live and has `size` bytes.
            let bytes = unsafe { std::slice::from_raw_parts(block, size) };
            let is_zero = bytes
                .chunks(ZEROS.len())
                .all(|part| part == &ZEROS[..part.len()]);
            assert!(is_zero, "{layout:?} at {block:?} is not zero");
        }
        self.adopt(block, layout);
        true
    }

    /// Gives block `slot` back.
    pub fn dealloc(&mut self, slot: usize) {
        let live = self.live.swap_remove(slot);
        self.release(&live);
        // SAFETY: the block is live, with this layout.
        unsafe { self.heap.dealloc(live.block, live.layout) };
    }

    /// Gives block `slot` back as a caller does who kept no layout.
    pub fn dealloc_unsized(&mut self, slot: usize) {
        let live = self.live.swap_remove(slot);
        self.release(&live);
        // SAFETY: the block is live.
        unsafe {
            let layout = self.heap.layout_of(live.block);
            assert!(layout.size() >= live.layout.size());
            self.heap.dealloc(live.block, layout);
        }
    }

    /// Resizes block `slot`. False if the heap refused.
    pub fn realloc(&mut self, slot: usize, size: usize) -> bool {
        let Live {
            block,
            layout,
            seed,
        } = self.live[slot];
        let size = size.min(isize::MAX as usize - (layout.align() - 1));
        let resized = Layout::from_size_align(size, layout.align()).expect("the size was clamped");
        self.verify(&self.live[slot], layout.size());
        // SAFETY: the block is live, with this layout.
        let moved = unsafe { self.heap.realloc(block, layout, size) };
        self.note(moved, resized);
        if moved.is_null() {
            self.refused += 1;
            self.verify(&self.live[slot], layout.size());
            return false;
        }
        let old = self.live.swap_remove(slot);
        self.taken.remove(&self.offset(old.block));
        self.verify(
            &Live {
                block: moved,
                layout,
                seed,
            },
            size.min(layout.size()),
        );
        self.adopt(moved, resized);
        true
    }

    /// Gives everything back, and checks that the whole budget is one free block again.
    pub fn finish(mut self) {
        while !self.live.is_empty() {
            self.dealloc(self.live.len() / 2);
        }
        self.validate();
        let whole = self.whole;
        if whole > 0 {
            assert!(
                self.alloc(whole, 1, true),
                "{whole} bytes do not fit: {:?}",
                self.heap.stats()
            );
            assert_eq!(self.heap.stats().free_bytes, 0);
            self.dealloc(0);
        }
    }

    fn offset(&self, block: *mut u8) -> usize {
        block.addr() - self.span.start().addr().get()
    }

    /// Adds a request and its outcome to the digest.
    fn note(&mut self, block: *mut u8, layout: Layout) {
        let offset = if block.is_null() {
            usize::MAX
        } else {
            self.offset(block)
        };
        for word in [offset, layout.size(), layout.align()] {
            self.digest = (self.digest ^ word as u64)
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(23);
        }
    }

    /// Checks where a new block lies, and fills it.
    fn adopt(&mut self, block: *mut u8, layout: Layout) {
        assert!(
            layout.align() <= MAX_ALIGN && block.addr().is_multiple_of(layout.align()),
            "{layout:?} at {block:?}"
        );
        let start = self.offset(block);
        let end = start + layout.size().max(1);
        assert!(
            end <= self.span.len(),
            "{layout:?} at offset {start} leaves the span"
        );
        if let Some((other, other_end)) = self.taken.range(..end).next_back() {
            assert!(
                *other_end <= start,
                "{layout:?} at offset {start} overlaps {other}..{other_end}"
            );
        }
        self.taken.insert(start, end);

        self.blocks += 1;
        let live = Live {
            block,
            layout,
            seed: (self.blocks % 251) as u8 + 1,
        };
        for at in places(layout.size()) {
            // SAFETY: the block is live and longer than `at`.
            unsafe { live.block.add(at).write(live.byte(at)) };
        }
        self.live.push(live);
    }

    /// Checks a block's contents before it goes.
    fn release(&mut self, live: &Live) {
        self.verify(live, live.layout.size());
        self.taken.remove(&self.offset(live.block));
    }

    /// Checks what is filled of the first `len` bytes.
    fn verify(&self, live: &Live, len: usize) {
        for at in places(live.layout.size()).filter(|&at| at < len) {
            // SAFETY: the block is live and longer than `at`.
            let byte = unsafe { live.block.add(at).read() };
            assert_eq!(
                byte,
                live.byte(at),
                "byte {at} of {:?} at {:?}",
                live.layout,
                live.block
            );
        }
    }
}

impl Live {
    fn byte(&self, at: usize) -> u8 {
        self.seed ^ (at as u8).wrapping_mul(37) ^ (at >> 8) as u8
    }
}

/// The bytes of a block of `size` bytes that are filled and verified.
fn places(size: usize) -> impl Iterator<Item = usize> {
    let head = if size <= FILLED { size } else { EDGE };
    let tail = if size <= FILLED { size } else { size - EDGE };
    (0..head)
        .chain((head..tail).step_by(STRIDE))
        .chain(tail..size)
}

/// A heap's usage as it stands in memory.
pub fn usage_bytes(usage: &HeapUsage) -> Vec<u8> {
    [
        usage.held_bytes,
        usage.peak_bytes,
        usage.used_granules,
        usage.highest_granules,
        usage.largest_granules,
    ]
    .into_iter()
    .flat_map(usize::to_le_bytes)
    .collect()
}
