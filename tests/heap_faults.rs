//! Exhaustion, requests that no heap can serve, and damage.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::alloc::Layout;
use core::ptr::NonNull;

use steadfast::heap::{Heap, HeapError, MAX_ALIGN};
use steadfast_testkit::heap::{PAGE, Span};

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("small sizes are layouts")
}

#[test]
fn a_heap_without_a_span_refuses_everything() {
    let mut heap = Heap::new();
    assert!(!heap.is_adopted());
    for size in [0, 1, 2048, 2049, 1 << 20] {
        assert!(heap.alloc(layout(size)).is_null());
        assert!(heap.alloc_zeroed(layout(size)).is_null());
    }
    assert_eq!(heap.validate(), Ok(()));
    assert_eq!(heap.stats().budget_bytes, 0);
}

#[test]
fn an_empty_span_is_a_budget_of_nothing() {
    let mut heap = Heap::new();
    // SAFETY: no byte of the span is used, since it has none.
    unsafe {
        heap.adopt(
            NonNull::new(core::ptr::without_provenance_mut(PAGE)).expect("not zero"),
            0,
            0,
        )
    };
    assert!(heap.is_adopted());
    for size in [0, 1, 2048, 2049] {
        assert!(heap.alloc(layout(size)).is_null());
    }
    assert_eq!(heap.validate(), Ok(()));
}

#[test]
fn one_page_serves_what_it_holds() {
    let span = Span::dirty(1, 0xff);
    // SAFETY: the heap ends before the span; blocks are given back with their layouts.
    unsafe {
        let mut heap = span.heap();
        let whole = heap.stats().largest_free_bytes;
        // The table has a word for each 512 bytes.
        assert_eq!(whole, PAGE - PAGE / 512 * size_of::<usize>());
        assert!(heap.alloc(layout(whole + 1)).is_null());
        let all = heap.alloc(layout(whole));
        assert!(!all.is_null() && heap.alloc(layout(1)).is_null());
        heap.dealloc(all, layout(whole));
        let one = heap.alloc(layout(1));
        assert!(!one.is_null() && heap.alloc(layout(whole)).is_null());
        heap.dealloc(one, layout(1));
        // The empty slab that the class keeps does not stand in the way.
        assert_eq!(heap.alloc(layout(whole)), all);
    }
}

#[test]
fn requests_that_no_heap_can_serve_get_null() {
    let span = Span::fresh(2);
    // SAFETY: the heap ends before the span; the block is live at each resize.
    unsafe {
        let mut heap = span.heap();
        for align in [1, 8, 16, 64, 4096, MAX_ALIGN] {
            let most = isize::MAX as usize - (align - 1);
            for size in [most, most - 1, most / 2, most - 4096] {
                let layout = Layout::from_size_align(size, align).expect("within isize::MAX");
                assert!(heap.alloc(layout).is_null());
                assert!(heap.alloc_zeroed(layout).is_null());
                for old in [1, 3000] {
                    let old = Layout::from_size_align(old, align).expect("small sizes are layouts");
                    let block = heap.alloc(old);
                    assert!(!block.is_null() && heap.realloc(block, old, size).is_null());
                    heap.dealloc(block, old);
                }
            }
        }
        for log in 17..usize::BITS - 1 {
            let layout =
                Layout::from_size_align(1, 1 << log).expect("one byte is within isize::MAX");
            assert!(heap.alloc(layout).is_null());
        }
        assert_eq!(heap.validate(), Ok(()));
    }
}

/// How many blocks of each size fit, before and after a round of other sizes, and where.
fn exhaust(span: &Span) -> Vec<(usize, Vec<usize>)> {
    // SAFETY: the heap ends before the span; blocks are given back with their layouts.
    unsafe {
        let mut heap = span.heap();
        let mut found = Vec::new();
        // Under Miri a small block is as dear as a large one.
        let smallest = if cfg!(miri) { 600 } else { 8 };
        for size in
            [8, 24, 100, 600, 2048, 2049, 10_000, 8, 65_000, 100].map(|size| size.max(smallest))
        {
            let mut blocks = Vec::new();
            loop {
                let block = heap.alloc(layout(size));
                if block.is_null() {
                    break;
                }
                blocks.push(block);
            }
            heap.validate().expect("a full heap is sound");
            let offsets = blocks
                .iter()
                .map(|block| block.addr() - span.start().addr().get())
                .collect();
            found.push((size, offsets));
            // Some are given back and taken again while the heap is full.
            for &block in blocks.iter().step_by(3) {
                heap.dealloc(block, layout(size));
            }
            heap.validate().expect("sound with holes");
            // The holes serve again, though not each at its own place: a hole may have joined what
            // was free beside it.
            for block in blocks.iter_mut().step_by(3) {
                *block = heap.alloc(layout(size));
                assert!(!block.is_null(), "holes of {size} bytes serve again");
            }
            for &block in &blocks {
                heap.dealloc(block, layout(size));
            }
        }
        found
    }
}

#[test]
fn exhaustion_comes_at_the_same_point_whatever_the_memory_held() {
    let pages = if cfg!(miri) { 1 } else { 4 };
    let fresh = exhaust(&Span::fresh(pages));
    assert_eq!(fresh, exhaust(&Span::dirty(pages, 0xff)));
    assert_eq!(fresh, exhaust(&Span::dirty(pages, 0x41)));
    for (size, offsets) in &fresh {
        // The least block has 16 bytes.
        let used = offsets.len() * size.max(&16);
        assert!(
            used * 10 >= pages * PAGE * 6 || *size > 60_000,
            "{used} bytes of {pages} pages in {size}-byte blocks"
        );
    }
}

#[test]
fn writing_to_a_freed_block_is_found() {
    let span = Span::dirty(2, 0xff);
    // SAFETY: the blocks' memory is the span's, which outlives the writes; the heap is only checked
    // afterwards.
    unsafe {
        let mut heap = span.heap();
        let blocks = [heap.alloc(layout(64)), heap.alloc(layout(64))];
        heap.dealloc(blocks[0], layout(64));
        blocks[0].cast::<usize>().write(12_345);
        assert!(matches!(heap.validate(), Err(HeapError::SlabFreeList(_))));
    }
}

#[test]
fn writing_over_the_links_of_a_freed_run_is_found() {
    let span = Span::dirty(2, 0xff);
    // SAFETY: as above.
    unsafe {
        let mut heap = span.heap();
        let blocks = [heap.alloc(layout(5000)), heap.alloc(layout(5000))];
        heap.dealloc(blocks[0], layout(5000));
        // The run's links stand in the table, where its first granule's word is.
        let granule = (blocks[0].addr() - span.start().addr().get()) / 512;
        span.start().cast::<usize>().add(granule + 2).write(12_345);
        assert!(matches!(heap.validate(), Err(HeapError::FreeRunLinks(_))));
    }
}

#[test]
fn giving_a_small_block_back_twice_is_found() {
    let span = Span::dirty(2, 0xff);
    // SAFETY: the second dealloc breaks the contract on purpose; the slab's words stay within the
    // span.
    unsafe {
        let mut heap = span.heap();
        let blocks = [
            heap.alloc(layout(64)),
            heap.alloc(layout(64)),
            heap.alloc(layout(64)),
        ];
        heap.dealloc(blocks[0], layout(64));
        heap.dealloc(blocks[0], layout(64));
        assert!(matches!(heap.validate(), Err(HeapError::SlabFreeList(_))));
    }
}

#[test]
fn any_word_of_the_table_written_over_is_found_or_harmless() {
    let span = Span::dirty(1, 0xff);
    let words = PAGE / 512;
    let mut found = 0;
    let mut tried = 0;
    for at in (1..words).step_by(if cfg!(miri) { 19 } else { 1 }) {
        tried += 1;
        for garbage in [0, 1, 2, 5, 40, 0x7fff, usize::MAX]
            .into_iter()
            .step_by(if cfg!(miri) { 3 } else { 1 })
        {
            // SAFETY: each heap is the only one over the span at its time; after the damage it is
            // only checked.
            unsafe {
                let mut heap = span.heap();
                let first = heap.alloc(layout(64));
                let hole = heap.alloc(layout(5000));
                let _ = heap.alloc(layout(3000));
                let _ = heap.alloc(layout(700));
                heap.dealloc(hole, layout(5000));
                assert_eq!(heap.validate(), Ok(()));
                let _ = first;
                span.start().cast::<usize>().add(at).write(garbage);
                found += usize::from(heap.validate().is_err());
            }
        }
    }
    assert!(found > tried / 3, "{found} of {tried}");
}
