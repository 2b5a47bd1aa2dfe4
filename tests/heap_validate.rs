//! Each kind of damage to a heap's state is found and named, at its place.
#![cfg(not(any(miri, target_family = "wasm")))]

use core::alloc::Layout;

use steadfast::heap::{Heap, HeapError, HeapUsage};
use steadfast_testkit::heap::Span;

/// Bytes of a granule, the page level's unit, and granules of a slab.
const GRANULE: usize = 512;
const UNIT: usize = 16;
const WORD: usize = size_of::<usize>();

/// The kinds of a run, in the low bits of its first word.
const FREE: usize = 1;
const LARGE: usize = 2;

/// The words of a slab.
const SIZE: usize = 0;
const FREE_LIST: usize = 1;
const USED: usize = 2;
const FRESH: usize = 3;
const END: usize = 4;
const NEXT: usize = 5;
const PREV: usize = 6;
const CLASS: usize = 7;
/// What a block in use adds to a slab's word.
const LIVE: usize = 4;

/// A sound heap with runs of every kind. Places are granules.
struct Fixture {
    heap: Heap,
    span: Span,
    /// Large blocks of ten granules, next to each other, before and behind the holes.
    first: usize,
    second: usize,
    /// Free runs of ten granules in one list, `near` behind `far`, with a large block of six
    /// between them.
    near: usize,
    between: usize,
    far: usize,
    /// A large block as long as a slab, at a place where no slab can stand.
    unaligned: usize,
    /// Slabs of 64-byte blocks, both in their class's list: the first has one block free, the
    /// other is in front and has 127.
    light: [usize; 2],
    light_blocks: Vec<*mut u8>,
    /// Slabs of 2048-byte blocks: the first is full and in no list.
    heavy: [usize; 2],
    /// The last run, a large block of six granules.
    last: usize,
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("small sizes are layouts")
}

impl Fixture {
    fn new() -> Self {
        let span = Span::dirty(2, 0xff);
        // SAFETY: the fixture keeps both. Blocks are given back with their layouts.
        unsafe {
            let mut heap = span.heap();
            let [first, second, near] = [5000; 3].map(|size| heap.alloc(layout(size)));
            let between = heap.alloc(layout(3000));
            let [far, _wall] = [5000; 2].map(|size| heap.alloc(layout(size)));
            // Not where a slab can stand, wherever the table ends.
            let mut unaligned = heap.alloc(layout(UNIT * GRANULE));
            if (unaligned.addr() / GRANULE) % UNIT == 0 {
                heap.dealloc(unaligned, layout(UNIT * GRANULE));
                heap.alloc(layout(3000));
                unaligned = heap.alloc(layout(UNIT * GRANULE));
            }
            let light_blocks: Vec<_> = (0..129).map(|_| heap.alloc(layout(64))).collect();
            heap.dealloc(light_blocks[7], layout(64));
            let heavy: Vec<_> = (0..5).map(|_| heap.alloc(layout(2048))).collect();
            let last = heap.alloc(layout(3000));
            heap.dealloc(near, layout(5000));
            heap.dealloc(far, layout(5000));
            let place = |block: *mut u8| (block.addr() - span.start().addr().get()) / GRANULE;
            let fixture = Self {
                first: place(first),
                second: place(second),
                near: place(near),
                between: place(between),
                far: place(far),
                unaligned: place(unaligned),
                light: [light_blocks[0], light_blocks[128]].map(place),
                heavy: [heavy[0], heavy[4]].map(place),
                last: place(last),
                light_blocks,
                heap,
                span,
            };
            fixture.heap.validate().expect("the heap is sound");
            fixture
        }
    }

    /// The word of granule `at`.
    fn word(&self, at: usize) -> usize {
        assert!(at < self.span.len() / GRANULE);
        // SAFETY: the table has a word for each granule.
        unsafe { self.span.start().cast::<usize>().add(at).read() }
    }

    fn set(&mut self, at: usize, word: usize) {
        assert!(at < self.span.len() / GRANULE);
        // SAFETY: as above. The heap is only checked afterwards.
        unsafe { self.span.start().cast::<usize>().add(at).write(word) }
    }

    fn add(&mut self, at: usize, more: isize) {
        self.set(at, self.word(at).wrapping_add_signed(more));
    }

    /// Marks `len` granules at `at` as a free run, at both ends.
    fn mark_free(&mut self, at: usize, len: usize) {
        self.set(at, len << 2 | FREE);
        self.set(at + len - 1, len << 2 | FREE);
    }

    /// The address of granule `at`.
    fn address(&self, at: usize) -> usize {
        self.span.start().addr().get() + at * GRANULE
    }

    /// The address of the words of the slab at granule `at`.
    fn slab(&self, at: usize) -> usize {
        self.span.start().addr().get() + at * WORD
    }

    /// Links the slabs in a circle, in this order.
    fn link(&mut self, slabs: &[usize]) {
        for (&slab, &next) in slabs.iter().zip(slabs.iter().cycle().skip(1)) {
            self.set(slab + NEXT, self.slab(next));
            self.set(next + PREV, self.slab(slab));
        }
    }

    fn edit_usage(&mut self, edit: impl FnOnce(&mut HeapUsage)) {
        let offset = (&raw const *self.heap.usage()).addr() - (&raw const self.heap).addr();
        // SAFETY: the usage stands there in the heap, which is the caller's alone.
        edit(unsafe { &mut *(&raw mut self.heap).cast::<u8>().add(offset).cast() });
    }
}

/// What is found after `damage`.
fn found(damage: impl FnOnce(&mut Fixture)) -> Result<(), HeapError> {
    let mut fixture = Fixture::new();
    damage(&mut fixture);
    fixture.heap.validate()
}

/// Checks that `damage` is found as the fault of the run that it names.
fn check(fault: fn(usize) -> HeapError, damage: impl Fn(&mut Fixture) -> usize) {
    let mut at = 0;
    let found = found(|heap| at = damage(heap));
    assert_eq!(found, Err(fault(at * GRANULE)));
}

#[test]
fn the_fixture_is_as_it_says() {
    let heap = Fixture::new();
    assert_eq!(heap.word(heap.first), 10 << 2 | LARGE);
    assert_eq!(heap.second, heap.first + 10);
    for hole in [heap.near, heap.far] {
        assert_eq!(heap.word(hole), 10 << 2 | FREE);
    }
    assert_eq!(heap.near + 10, heap.between);
    assert_eq!(heap.between + 6, heap.far);
    // The run given back last is in front.
    assert_eq!(heap.word(heap.far + 1), heap.near);
    assert_eq!(heap.word(heap.near + 2), heap.far);
    assert_eq!(heap.word(heap.unaligned), UNIT << 2 | LARGE);
    assert_ne!(heap.unaligned % UNIT, 0);
    let [used, front] = heap.light;
    assert_eq!(heap.word(used + SIZE), 64);
    assert_eq!(heap.word(used + USED), 127 * LIVE);
    assert_eq!(heap.word(front + USED), LIVE);
    assert_eq!(heap.word(front + NEXT), heap.slab(used));
    let [full, open] = heap.heavy;
    assert_eq!(heap.word(full + USED), 4 * LIVE);
    assert_eq!(heap.word(full + NEXT), 0);
    assert_eq!(heap.word(open + USED), LIVE);
    assert_eq!(heap.last + 6, heap.heap.usage().used_granules);
}

#[test]
fn the_end_of_a_run_tells_its_kind() {
    check(HeapError::RunEnd, |heap| {
        heap.set(heap.first + 9, FREE);
        heap.first
    });
    check(HeapError::RunEnd, |heap| {
        heap.set(heap.near + 9, 0);
        heap.near
    });
    check(HeapError::RunEnd, |heap| {
        heap.set(heap.near + 9, 9 << 2 | FREE);
        heap.near
    });
    check(HeapError::RunEnd, |heap| {
        heap.set(heap.light[0] + UNIT - 1, FREE);
        heap.light[0]
    });
    // Of a run in use, the lowest bit alone counts.
    assert_eq!(found(|heap| heap.set(heap.first + 9, !FREE)), Ok(()));
}

#[test]
fn runs_add_up_to_the_part_in_use() {
    for word in [LARGE, FREE] {
        check(HeapError::RunLength, |heap| {
            heap.set(heap.first, word);
            heap.first
        });
    }
    check(HeapError::RunLength, |heap| {
        heap.set(heap.last, 7 << 2 | LARGE);
        heap.last
    });
    // One granule short: its last one begins a run that has no room.
    check(HeapError::RunLength, |heap| {
        heap.set(heap.last, 5 << 2 | LARGE);
        heap.set(heap.last + 4, 0);
        heap.last + 5
    });
}

#[test]
fn free_runs_touch_neither_each_other_nor_the_unused_rest() {
    // The hole behind is the second of the two that touch.
    check(HeapError::NotJoined, |heap| {
        heap.mark_free(heap.second, 10);
        heap.near
    });
    check(HeapError::NotJoined, |heap| {
        heap.mark_free(heap.last, 6);
        heap.last + 6
    });
}

#[test]
fn the_usage_words_agree_with_the_runs() {
    let held = Fixture::new().heap.usage().held_bytes;
    let fault = Err(HeapError::Held(held));
    assert_eq!(found(|heap| heap.mark_free(heap.first, 10)), fault);
    assert_eq!(
        found(|heap| heap.edit_usage(|of| of.peak_bytes = held - 1)),
        fault
    );
    assert_eq!(
        found(|heap| heap.edit_usage(|of| of.peak_bytes = held)),
        Ok(())
    );
    assert_eq!(
        found(|heap| heap.edit_usage(|of| of.highest_granules = of.used_granules - 1)),
        fault
    );
    assert_eq!(
        found(|heap| heap.edit_usage(|of| of.highest_granules = of.used_granules)),
        Ok(())
    );
    assert_eq!(
        found(|heap| heap.edit_usage(|of| of.highest_granules = 257)),
        fault
    );
    assert_eq!(
        found(|heap| heap.edit_usage(|of| of.highest_granules = 256)),
        Ok(())
    );
    let other = found(|heap| {
        heap.edit_usage(|of| {
            of.held_bytes += GRANULE;
            of.peak_bytes += GRANULE;
        })
    });
    assert_eq!(other, Err(HeapError::Held(held + GRANULE)));
}

#[test]
fn free_runs_are_linked_both_ways() {
    check(HeapError::FreeRunLinks, |heap| {
        heap.add(heap.far + 2, 1);
        heap.far
    });
    check(HeapError::FreeRunLinks, |heap| {
        heap.add(heap.near + 2, 1);
        heap.near
    });
    for next in [1, 255, 256] {
        check(HeapError::FreeRunLinks, |heap| {
            heap.set(heap.far + 1, next);
            next
        });
    }
    check(HeapError::FreeRunLinks, |heap| {
        let next = heap.last + 6;
        heap.set(heap.far + 1, next);
        next
    });
    check(HeapError::FreeRunLinks, |heap| {
        heap.set(heap.far + 1, heap.first);
        heap.first
    });
    // A block in use, where the links would be right.
    check(HeapError::FreeRunLinks, |heap| {
        heap.set(heap.first + 1, 0);
        heap.set(heap.first + 2, heap.far);
        heap.set(heap.far + 1, heap.first);
        heap.first
    });
    // In a circle.
    check(HeapError::FreeRunLinks, |heap| {
        heap.set(heap.near + 1, heap.far);
        heap.far
    });
    let far_off = found(|heap| heap.set(heap.far + 1, usize::MAX));
    assert_eq!(far_off, Err(HeapError::FreeRunLinks(usize::MAX)));
}

#[test]
fn a_list_holds_the_free_runs_of_its_length_and_no_others() {
    // Words that look like a free run, within one.
    check(HeapError::FreeRunLinks, |heap| {
        let inner = heap.near + 4;
        heap.set(inner, 10 << 2 | FREE);
        heap.set(inner + 1, 0);
        heap.set(inner + 2, heap.near);
        heap.set(heap.near + 1, inner);
        inner
    });
    // The same, shorter than a run that has links, or longer than what is in use.
    for (inner, len) in [(4, 3), (4, 1 << 20)] {
        check(HeapError::FreeRunLinks, |heap| {
            let inner = heap.near + inner;
            heap.set(inner, len << 2 | FREE);
            heap.set(heap.near + 1, inner);
            inner
        });
    }
    // As long as the list's runs, and longer than what is left of the part in use.
    check(HeapError::FreeRunLinks, |heap| {
        let inner = heap.last + 2;
        heap.set(inner, 10 << 2 | FREE);
        heap.set(inner + 1, 0);
        heap.set(inner + 2, heap.far);
        heap.set(heap.far + 1, inner);
        inner
    });
    // A run that was cut short stays in the list of its old length.
    check(HeapError::FreeRunLinks, |heap| {
        heap.mark_free(heap.near, 9);
        heap.set(heap.near + 9, 1 << 2 | LARGE);
        heap.edit_usage(|of| {
            of.held_bytes += GRANULE;
            of.peak_bytes += GRANULE;
        });
        heap.near
    });
    let cut = found(|heap| heap.set(heap.far + 1, 0));
    assert!(matches!(cut, Err(HeapError::FreeRunList(_))), "{cut:?}");
}

#[test]
fn the_words_of_a_slab_are_its_classes() {
    for (word, more) in [
        (SIZE, 4),
        (SIZE, 64),
        (SIZE, 4096),
        (CLASS, LIVE as isize),
        (END, 64),
        (END, -64),
        (FRESH, 1),
        (FRESH, 32),
        (FRESH, -128),
        (FRESH, 128 * 64),
    ] {
        check(HeapError::Slab, |heap| {
            heap.add(heap.light[1] + word, more);
            heap.light[1]
        });
    }
    // A sound slab but for its place.
    check(HeapError::Slab, |heap| {
        let at = heap.unaligned;
        for word in 0..UNIT {
            heap.set(at + word, heap.word(heap.light[1] + word));
        }
        let start = heap.address(at);
        heap.set(at + FREE_LIST, 0);
        heap.set(at + USED, 0);
        heap.set(at + FRESH, start);
        heap.set(at + END, start + 8192);
        heap.link(&[at]);
        at
    });
}

#[test]
fn the_free_blocks_of_a_slab_are_its_own() {
    // The front slab's second block is the first that was never in use.
    for place in [8, 63, 64, 128, 8192, 1 << 20, usize::MAX - 63] {
        check(HeapError::SlabFreeList, |heap| {
            let at = heap.light[1];
            heap.set(at + FREE_LIST, heap.address(at).wrapping_add(place));
            at
        });
    }
    for more in [LIVE as isize, -(LIVE as isize)] {
        check(HeapError::SlabFreeList, |heap| {
            heap.add(heap.light[0] + USED, more);
            heap.light[0]
        });
    }
    // A block that links itself.
    check(HeapError::SlabFreeList, |heap| {
        let block = heap.light_blocks[7];
        // SAFETY: the block is free, and the heap is only checked afterwards.
        unsafe { block.cast::<*mut u8>().write(block) };
        heap.light[0]
    });
    // A slab in no list has no free block to offer.
    for free in [0, 2 * LIVE] {
        check(HeapError::SlabFreeList, |heap| {
            heap.set(heap.heavy[0] + FREE_LIST, free);
            heap.heavy[0]
        });
    }
}

#[test]
fn slabs_are_linked_both_ways() {
    for word in [NEXT, PREV] {
        // Not where a slab's words begin, in the table's own part, behind the last run, another
        // class's slab.
        for place in [1, 0x100, 240] {
            check(HeapError::SlabLinks, |heap| {
                heap.set(heap.light[0] + word, heap.slab(place));
                heap.light[0]
            });
        }
        check(HeapError::SlabLinks, |heap| {
            heap.set(heap.light[0] + word, heap.slab(heap.heavy[1]));
            heap.light[0]
        });
    }
}

#[test]
fn no_slab_stands_behind_the_last_run() {
    check(HeapError::SlabLinks, |heap| {
        // The part in use ends where a slab could stand.
        let short = UNIT - heap.heap.usage().used_granules % UNIT;
        heap.heap.alloc(layout((short + UNIT) * GRANULE));
        let top = heap.heap.usage().used_granules;
        assert_eq!(top % UNIT, 0);
        let [behind, front] = heap.light;
        heap.link(&[front, behind, top]);
        behind
    });
}

#[test]
fn a_slab_is_listed_while_it_has_a_free_block() {
    // Full, and listed behind another.
    check(HeapError::SlabLinks, |heap| {
        heap.set(heap.light[0] + FREE_LIST, 0);
        heap.set(heap.light[0] + USED, 128 * LIVE);
        heap.light[0]
    });
    // In front it may be: the next request takes it out.
    let front = found(|heap| {
        let at = heap.light[1];
        heap.set(at + USED, 128 * LIVE);
        heap.set(at + FRESH, heap.word(at + END));
    });
    assert_eq!(front, Ok(()));
    // Not full, and not listed.
    check(HeapError::SlabLinks, |heap| {
        heap.set(heap.heavy[0] + USED, 3 * LIVE);
        heap.add(heap.heavy[0] + FRESH, -2048);
        heap.heavy[0]
    });
}

#[test]
fn a_class_lists_its_slabs_and_no_others() {
    let apart = found(|heap| {
        heap.link(&[heap.light[0]]);
        heap.link(&[heap.light[1]]);
    });
    assert_eq!(apart, Err(HeapError::SlabList(64)));
    let together = found(|heap| heap.link(&[heap.light[0], heap.light[1], heap.heavy[1]]));
    assert_eq!(together, Err(HeapError::SlabList(64)));
}
