//! What was given back serves again: in place, across sizes, and without a ratchet.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::alloc::Layout;
use core::ops::Range;
use core::slice;

use steadfast::heap::Heap;
use steadfast_testkit::heap::{PAGE, Player, Span, seeded};

const fn runs(native: usize, miri: usize) -> usize {
    if cfg!(miri) { miri } else { native }
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("small sizes are layouts")
}

/// Numbers below each bound asked for.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut bytes = seeded(seed);
    move |below| {
        (0..4).fold(0, |number, _| {
            number << 8 | usize::from(bytes.next().unwrap_or(0))
        }) % below
    }
}

#[test]
fn a_block_freed_is_the_next_one_given() {
    let span = Span::fresh(2);
    // SAFETY: the heap ends before the span; blocks are given back with their layouts.
    unsafe {
        let mut heap = span.heap();
        for size in [1, 32, 2000, 2049, 40_000] {
            let first = heap.alloc(layout(size));
            heap.dealloc(first, layout(size));
            assert_eq!(heap.alloc(layout(size)), first, "{size}");
            heap.dealloc(first, layout(size));
        }
    }
}

#[test]
fn large_blocks_grow_and_shrink_in_place() {
    let span = Span::dirty(16, 0xff);
    // SAFETY: the heap ends before the span; blocks are given back with their layouts.
    unsafe {
        let mut heap = span.heap();
        let largest = |heap: &Heap| heap.usage().largest_granules * 512;
        let small = heap.alloc(layout(100));
        assert_eq!(largest(&heap), 0);
        heap.dealloc(small, layout(100));
        let block = heap.alloc(layout(10_000));
        assert_eq!(largest(&heap), 10_000_usize.next_multiple_of(512));
        // Into the unused rest.
        assert_eq!(heap.realloc(block, layout(10_000), 300_000), block);
        assert_eq!(largest(&heap), 300_000_usize.next_multiple_of(512));
        assert_eq!(heap.realloc(block, layout(300_000), 20_000), block);
        // Into a free run.
        let behind = heap.alloc(layout(50_000));
        let last = heap.alloc(layout(5000));
        assert_ne!(
            heap.realloc(block, layout(20_000), 30_000),
            block,
            "a live block is behind"
        );
        let block = heap.alloc(layout(20_000));
        heap.dealloc(behind, layout(50_000));
        assert_eq!(heap.realloc(block, layout(20_000), 60_000), block);
        assert_eq!(heap.realloc(block, layout(60_000), 3000), block);
        assert_eq!(largest(&heap), 300_000_usize.next_multiple_of(512));
        heap.validate().expect("the heap is sound");
        heap.dealloc(last, layout(5000));
    }
}

#[test]
fn small_blocks_stay_within_their_class() {
    let span = Span::fresh(2);
    // SAFETY: as above.
    unsafe {
        let mut heap = span.heap();
        let block = heap.alloc(layout(100));
        assert_eq!(heap.realloc(block, layout(100), 104), block);
        assert_ne!(heap.realloc(block, layout(104), 105), block);
        let block = heap.alloc(layout(1));
        assert_eq!(heap.realloc(block, layout(1), 16), block);
        assert_ne!(heap.realloc(block, layout(16), 17), block);
        // Shrunk to less than about half, it makes room.
        let block = heap.alloc(layout(200));
        assert_eq!(heap.realloc(block, layout(200), 100), block);
        assert_ne!(heap.realloc(block, layout(100), 50), block);
    }
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn phases_that_shift_sizes_stay_within_the_largest_phase() {
    let mut player = Player::new(Span::dirty(64, 0xff));
    let mut number = numbers(1);
    let phase_bytes = 1 << 20;
    for phase in 0..40 {
        let size = [24, 56, 120, 500, 1200, 3000, 9000, 50_000][phase % 8] + phase;
        for _ in 0..phase_bytes / size {
            assert!(player.alloc(size, 8, false), "phase {phase}");
        }
        while player.live() > 0 {
            player.dealloc(number(player.live()));
        }
        player.validate();
    }
    // A phase, what classes round up, one empty slab for each class, and the table.
    let bound = phase_bytes * 6 / 5 + 53 * 8192 + PAGE;
    let high = player.heap().stats().high_water_bytes;
    assert!(high <= bound, "{high} bytes for phases of {phase_bytes}");
    player.finish();
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn interleaved_lifetimes_do_not_ratchet() {
    // Each round leaves few long-lived blocks among many short-lived ones; the long-lived ones of
    // earlier rounds go.
    let mut player = Player::new(Span::dirty(128, 0xff));
    let mut number = numbers(2);
    let mut highs = Vec::new();
    for round in 0..80 {
        let kept = player.live();
        for _ in 0..1000 {
            let size = [16, 40, 100, 250, 700, 1500, 4000, 12_000][number(8)] + number(16);
            assert!(player.alloc(size, 8, false));
        }
        for _ in 0..kept {
            player.dealloc(0);
        }
        while player.live() > 100 {
            player.dealloc(number(player.live()));
        }
        if round % 20 == 1 {
            player.validate();
        }
        highs.push(player.heap().stats().high_water_bytes);
    }
    let (early, late) = (highs[highs.len() / 4], highs[highs.len() - 1]);
    assert!(
        late <= early + early / 4,
        "{early} bytes after a quarter of the rounds, {late} at the end"
    );
    player.finish();
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn slowly_growing_vectors_do_not_ratchet() {
    let mut player = Player::new(Span::dirty(256, 0xff));
    let mut number = numbers(3);
    let mut sizes = vec![1000; 40];
    for &size in &sizes {
        assert!(player.alloc(size, 8, false));
    }
    // The player moves a resized block to the end: slot 0 goes round.
    for _ in 0..2000 {
        let size = sizes.remove(0);
        let size = if size > 100_000 {
            1000
        } else {
            size + size / 2 + number(100)
        };
        assert!(player.realloc(0, size));
        // The player swaps the last into slot 0's place.
        if let Some(last) = sizes.pop() {
            sizes.insert(0, last);
        }
        sizes.push(size);
    }
    player.validate();
    let high = player.heap().stats().high_water_bytes;
    assert!(
        high <= 3 * sizes.len() * 110_000,
        "{high} bytes for {} vectors",
        sizes.len()
    );
    player.finish();
}

#[test]
#[cfg_attr(miri, ignore = "too long")]
fn pairs_of_near_sizes_do_not_ratchet() {
    // A hole of the larger size takes the smaller one, and leaves a rest too small for anything but
    // later joining.
    let mut player = Player::new(Span::dirty(64, 0xff));
    for round in 0..2000 {
        for size in [85_196, 80_000, 85_196, 80_000] {
            assert!(player.alloc(size, 8, false), "round {round}");
        }
        player.dealloc(round % 2);
        player.dealloc(1);
        if player.live() >= 12 {
            while player.live() > 0 {
                player.dealloc(0);
            }
        }
    }
    player.validate();
    let high = player.heap().stats().high_water_bytes;
    assert!(high <= 14 * 86 * 1024 * 5 / 4, "{high}");
    player.finish();
}

#[test]
fn one_byte_of_each_class_frees_the_rest() {
    let mut player = Player::new(Span::dirty(runs(64, 48), 0xff));
    let whole = player.heap().stats().largest_free_bytes;
    for size in (1..=2048).rev().step_by(runs(1, 40)) {
        assert!(player.alloc(size, 1, false));
    }
    while player.live() > 0 {
        player.dealloc(0);
    }
    // Most classes keep one empty slab, until somebody needs the memory.
    assert!(player.heap().stats().largest_free_bytes < whole);
    assert_eq!(player.heap().stats().live_bytes, 0);
    player.finish();
}

#[test]
fn zeroed_memory_costs_no_write_where_it_is_fresh() {
    // A span that claims to be fresh but is not tells whether the heap cleared it.
    let holds = |at: *const u8, bytes: Range<usize>, byte: u8| {
        // SAFETY: the block is live and initialised, and nobody writes to it meanwhile.
        let block = unsafe { slice::from_raw_parts(at.add(bytes.start), bytes.len()) };
        block == vec![byte; bytes.len()]
    };
    let span = Span::dirty(4, 7);
    let mut heap = Heap::new();
    // SAFETY: the promise of zeros is broken on purpose, and the blocks are only read.
    unsafe {
        heap.adopt(span.start(), span.len(), PAGE);
        let below = heap.alloc_zeroed(layout(20_000));
        assert!(
            holds(below, 0..20_000, 0),
            "below `fresh_from` the heap clears"
        );
        let across = heap.alloc_zeroed(layout(100_000));
        let fresh = PAGE - (across.addr() - span.start().addr().get());
        assert!(holds(across, 0..fresh, 0));
        assert!(
            holds(across, fresh..100_000, 7),
            "above it nothing is written"
        );
        heap.dealloc(across, layout(100_000));
        let again = heap.alloc_zeroed(layout(100_000));
        assert_eq!(again, across);
        assert!(
            holds(again, 0..100_000, 0),
            "memory that was handed out is cleared"
        );
    }
}
