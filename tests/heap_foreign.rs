//! A heap beside somebody else's memory: it stops before it writes there, and changes nothing
//! before.
#![cfg(not(target_family = "wasm"))]

use std::alloc::Layout;

use steadfast::heap::Heap;
use steadfast_testkit::heap::{PAGE, Span};

/// Pages of a span: many steps of what the heap looks ahead.
const PAGES: usize = if cfg!(miri) { 40 } else { 60 };
const LEN: usize = PAGES * PAGE;

fn heap_beside(span: &Span, undeclared: std::ops::Range<usize>) -> Heap {
    let mut heap = Heap::new();
    // SAFETY: the span is the heap's alone, but for what is not zero in the undeclared part, and
    // outlives it.
    unsafe { heap.adopt_beside(span.start(), span.len(), 0, undeclared) };
    heap
}

/// The offset in the span of the word that the heap has found.
fn foreign(heap: &Heap, span: &Span) -> Option<usize> {
    heap.foreign()
        .map(|address| address - span.start().addr().get())
}

/// Takes, grows and gives back blocks of all sizes until nothing more is to be had, and writes to
/// each. Answers where they stood.
fn fill(heap: &mut Heap) -> Vec<usize> {
    let mut addresses = Vec::new();
    let mut held = Vec::new();
    for step in 0.. {
        let size = [24, 700, 5_000, 40_000, 150_000, 16][step % 6];
        let layout = Layout::from_size_align(size, 8).unwrap();
        let block = match step % 3 {
            0 => heap.alloc_zeroed(layout),
            _ => heap.alloc(layout),
        };
        if block.is_null() {
            break;
        }
        addresses.push(block.addr());
        // SAFETY: the block has so many bytes, is live, and is given back at most once.
        unsafe {
            block.write_bytes(0xc3, size);
            let grown = heap.realloc(block, layout, size * 2);
            if grown.is_null() {
                break;
            }
            addresses.push(grown.addr());
            grown.write_bytes(0xc3, size * 2);
            held.push((grown, Layout::from_size_align(size * 2, 8).unwrap()));
            if step % 4 == 3 {
                let (block, layout) = held.swap_remove(held.len() / 2);
                heap.dealloc(block, layout);
            }
        }
    }
    addresses
}

/// The addresses that a heap over a span of its own gives, as offsets.
fn expected() -> Vec<usize> {
    let span = Span::fresh(PAGES);
    let mut heap = heap_beside(&span, 0..0);
    offsets(fill(&mut heap), &span)
}

fn offsets(addresses: Vec<usize>, span: &Span) -> Vec<usize> {
    let start = span.start().addr().get();
    addresses.iter().map(|address| address - start).collect()
}

#[test]
fn empty_pages_change_nothing() {
    let expected = expected();
    assert!(expected.len() > 50);
    for pages in [1, 2, 3, 15, 16, 17, 31, 32, 33, PAGES - 1, PAGES] {
        for from in [0, 1, 5] {
            let span = Span::fresh(PAGES);
            let mut heap = heap_beside(&span, from.min(pages) * PAGE..pages * PAGE);
            assert_eq!(offsets(fill(&mut heap), &span), expected, "{pages} pages");
            assert_eq!(heap.foreign(), None);
            heap.validate().unwrap();
        }
    }
}

/// With one byte of somebody's at `at`, the heap stops there or never gets there.
fn stops_before(at: usize, expected: &[usize]) -> bool {
    let span = Span::fresh(PAGES);
    // SAFETY: the byte lies in the span, which nobody else uses yet.
    unsafe { span.start().add(at).write(0xaa) };
    let mut heap = heap_beside(&span, 0..LEN);
    let found = offsets(fill(&mut heap), &span);
    assert!(expected.starts_with(&found), "{at}: other addresses");
    assert_eq!(span.bytes()[at], 0xaa, "{at}: overwritten");
    let page = at / PAGE * PAGE;
    let others = span.bytes()[page..page + PAGE]
        .iter()
        .filter(|byte| **byte != 0);
    assert_eq!(others.count(), 1, "{at}: its page was used");
    match foreign(&heap, &span) {
        Some(found) => assert_eq!(found, at / 8 * 8),
        None => assert_eq!(found, expected, "{at}"),
    }
    // Nothing new is to be had afterwards, not even where blocks are free.
    let after = heap.alloc(Layout::from_size_align(LEN / 2, 8).unwrap());
    assert!(after.is_null());
    heap.foreign().is_some()
}

#[test]
fn a_byte_anywhere_stops_the_heap_before_it_writes_near_it() {
    let expected = expected();
    let mut found = 0;
    let places =
        (0..PAGES).flat_map(|page| [0, 1, PAGE / 2, PAGE - 1].map(|offset| page * PAGE + offset));
    let step = if cfg!(miri) { 61 } else { 1 };
    for at in places.step_by(step) {
        found += usize::from(stops_before(at, &expected));
    }
    // Blocks of 300,000 bytes leave a rest at the span's end that is never taken.
    assert!(
        found >= if cfg!(miri) { 2 } else { 4 * (PAGES - 6) },
        "only {found} were found"
    );
}

#[test]
fn what_is_declared_is_not_looked_at() {
    let span = Span::dirty(PAGES, 0xaa);
    let mut heap = Heap::new();
    // SAFETY: the span is the heap's alone, and outlives it.
    unsafe { heap.adopt_beside(span.start(), span.len(), LEN, LEN..LEN) };
    assert_eq!(offsets(fill(&mut heap), &span), expected());
    assert_eq!(heap.foreign(), None);
}

const EDGE: usize = 1 << 20;

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

/// A heap that has used its span up to the edge but for `left` bytes, behind which somebody's byte
/// is. Answers the first large block too.
fn heap_before_the_edge(span: &Span, left: usize) -> (Heap, *mut u8) {
    // SAFETY: the byte lies in the span, which nobody else uses yet.
    unsafe { span.start().add(EDGE + 5).write(0xaa) };
    let mut heap = heap_beside(span, 0..LEN);
    let first = heap.alloc(layout(100_000));
    let used = first.addr() - span.start().addr().get() + 100_352;
    assert!(!heap.alloc(layout(EDGE - used - left)).is_null());
    assert_eq!(heap.foreign(), None);
    (heap, first)
}

#[test]
fn no_other_place_is_taken_instead_of_the_one_that_is_somebodys() {
    let span = Span::fresh(PAGES);
    let (mut heap, _) = heap_before_the_edge(&span, 48 * 1024);
    // Empty slabs of five classes, together larger than what is asked for.
    let blocks = [16, 64, 128, 256, 512].map(|size| (heap.alloc(layout(size)), layout(size)));
    for (block, layout) in blocks {
        // SAFETY: the block came from this heap with this layout.
        unsafe { heap.dealloc(block, layout) };
    }
    assert!(heap.alloc(layout(20_000)).is_null());
    assert_eq!(foreign(&heap, &span), Some(EDGE));
}

#[test]
fn a_block_that_cannot_grow_where_it_is_is_not_moved() {
    let span = Span::fresh(PAGES);
    let (mut heap, first) = heap_before_the_edge(&span, 16 * 1024);
    let last = heap.alloc(layout(10_000));
    // SAFETY: both blocks came from this heap with these layouts.
    let grown = unsafe {
        heap.dealloc(first, layout(100_000));
        heap.realloc(last, layout(10_000), 50_000)
    };
    assert!(grown.is_null());
    assert_eq!(foreign(&heap, &span), Some(EDGE));
}

#[test]
fn nothing_is_looked_at_for_a_request_that_the_span_has_no_room_for() {
    let span = Span::fresh(PAGES);
    let (mut heap, _) = heap_before_the_edge(&span, 48 * 1024);
    assert!(heap.alloc(layout(LEN - 100_000)).is_null());
    assert_eq!(heap.foreign(), None);
    assert!(!heap.alloc(layout(20_000)).is_null());
}

#[test]
#[cfg_attr(miri, ignore = "too large")]
fn the_page_that_the_table_ends_in_has_one_owner() {
    const LARGE: usize = 66 * EDGE / PAGE;
    let span = Span::fresh(LARGE);
    // Of the table's last page, behind the edge.
    // SAFETY: the byte lies in the span, which nobody else uses yet.
    unsafe { span.start().add(EDGE + 100).write(0xaa) };
    let mut heap = heap_beside(&span, 0..span.len());
    assert!(heap.alloc(layout(100)).is_null());
    assert_eq!(foreign(&heap, &span), Some((EDGE + 100) / 8 * 8));
}
