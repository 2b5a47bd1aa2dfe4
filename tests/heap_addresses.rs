//! The addresses that the heap gives out, and where it is exhausted, are what they were.
//!
//! A module may store addresses, or what it does when a request fails, so both are part of what
//! nodes compute (`docs/stability.md`). A change that moves either is at least a minor release.
//! Where it is meant, take the new figures from the failure, and say so in the changelog under
//! `Changed`: "Heap addresses differ from VERSION's" or "The heap is exhausted at other requests
//! than in VERSION", with what a fleet has to do.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use core::alloc::Layout;

use steadfast_testkit::heap::Span;

/// What came of a sequence.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    /// Of every request with the offset that it got.
    digest: u64,
    refused: u32,
    /// The number of the first request that was refused.
    first_refused: Option<u32>,
    largest_free: usize,
}

/// Numbers from a seed, made here: no other code moves the sequence.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }

    /// Mostly small, some of a few pages; aligned to 8, some to more.
    fn layout(&mut self, most: usize) -> Layout {
        let bound = [48, 48, 300, 300, 2048, 5000, 70_000, 300_000][self.below(8)];
        let size = 1 + self.below(bound.min(most));
        let align = [1, 4, 8, 8, 8, 16, 64, 4096][self.below(8)];
        Layout::from_size_align(size, align).expect("small sizes are layouts")
    }
}

fn play(pages: usize, seed: u64, most: usize, requests: u32) -> Outcome {
    let span = Span::fresh(pages);
    let start = span.start().addr().get();
    let mut numbers = Numbers(seed);
    let mut live: Vec<(*mut u8, Layout)> = Vec::new();
    let mut outcome = Outcome {
        digest: 0,
        refused: 0,
        first_refused: None,
        largest_free: 0,
    };
    // SAFETY: the heap ends before the span, and blocks are given back and resized with their
    // layouts.
    unsafe {
        let mut heap = span.heap();
        for request in 0..requests {
            let kind = numbers.below(16);
            let (block, layout) = match kind {
                0..=3 if !live.is_empty() => {
                    let (block, layout) = live.swap_remove(numbers.below(live.len()));
                    heap.dealloc(block, layout);
                    continue;
                }
                4..=6 if !live.is_empty() => {
                    let slot = numbers.below(live.len());
                    let (block, old) = live[slot];
                    let size = numbers.layout(most).size();
                    let layout = Layout::from_size_align(size, old.align()).expect("as above");
                    let moved = heap.realloc(block, old, size);
                    if !moved.is_null() {
                        live.swap_remove(slot);
                    }
                    (moved, layout)
                }
                7..=8 => {
                    let layout = numbers.layout(most);
                    (heap.alloc_zeroed(layout), layout)
                }
                _ => {
                    let layout = numbers.layout(most);
                    (heap.alloc(layout), layout)
                }
            };
            let offset = if block.is_null() {
                outcome.refused += 1;
                outcome.first_refused.get_or_insert(request);
                u64::MAX
            } else {
                live.push((block, layout));
                (block.addr() - start) as u64
            };
            for word in [offset, layout.size() as u64, layout.align() as u64] {
                outcome.digest = (outcome.digest ^ word)
                    .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                    .rotate_left(29);
            }
        }
        outcome.largest_free = heap.stats().largest_free_bytes;
    }
    outcome
}

/// Pages of the span, the most bytes of a request, and what came of it.
type Case = (usize, usize, Outcome);

const fn case(
    (pages, most): (usize, usize),
    digest: u64,
    refused: u32,
    first_refused: Option<u32>,
    largest_free: usize,
) -> Case {
    let outcome = Outcome {
        digest,
        refused,
        first_refused,
        largest_free,
    };
    (pages, most, outcome)
}

/// Small blocks, blocks of many sizes, and heaps of several sizes that are exhausted: in modules.
const IN_MODULES: [Case; 5] = [
    case((256, 2048), 0x23a202a51c56d0e0, 0, None, 13_852_672),
    case((1024, 70_000), 0x62e4f46a642d1f13, 0, None, 42_995_200),
    case((1, ANY), 0xa09856739c3abb03, 3112, Some(3), 2048),
    case((16, ANY), 0x1195b3eeb567fc4c, 1791, Some(74), 6144),
    case((100, ANY), 0xf32582f7da2e9f3f, 776, Some(719), 49_664),
];
/// The same natively, where the heap's own words have 64 bits. Nothing depends on these figures; a
/// change shows here first.
const NATIVELY: [Case; 5] = [
    case((256, 2048), 0xb2f8eff7dbc0779e, 0, None, 13_721_600),
    case((1024, 70_000), 0x2f3f2bd1e67bcb73, 0, None, 42_470_912),
    case((1, ANY), 0xb15902dc164822e7, 3074, Some(3), 7168),
    case((16, ANY), 0xaa0ff04378e188a4, 1856, Some(74), 4096),
    case((100, ANY), 0x7e8b110fbac33412, 824, Some(719), 9216),
];
const ANY: usize = usize::MAX;

#[test]
fn blocks_lie_where_they_did_and_the_heap_is_exhausted_where_it_was() {
    let expected = match usize::BITS {
        32 => IN_MODULES,
        _ => NATIVELY,
    };
    for (pages, most, expected) in expected {
        assert_eq!(play(pages, 1, most, 8000), expected, "{pages} pages");
    }
}
