//! What a host reads of a heap from bytes: bounded whatever they hold.

use steadfast::heap::{HeapMap, MapError, PartKind};
use steadfast_testkit::heap::{PAGE, Player, Span, seeded, usage_bytes};

const WORD: usize = size_of::<usize>();

#[test]
fn the_map_tells_every_block_of_a_heap() {
    let mut player = Player::new(Span::dirty(4, 0xff));
    for _ in 0..3 {
        assert!(player.alloc(100, 8, false));
    }
    assert!(player.alloc(5000, 8, false));
    assert!(player.alloc(9000, 8, false));
    player.dealloc(3);
    // The player compares the map with the heap's own counters.
    player.validate();
    let counters = player.heap().stats();
    assert!(counters.external_fragmentation_permille() > 0);
    player.finish();
}

#[test]
fn damaged_bytes_give_a_map_that_adds_up_or_a_fault() {
    let span = Span::dirty(4, 0xff);
    // SAFETY: the heap ends before the span; nothing is given back.
    let mut heap = unsafe { span.heap() };
    for size in [8, 40, 200, 1500, 3000, 20_000] {
        assert!(
            !heap
                .alloc(std::alloc::Layout::from_size_align(size, 8).unwrap())
                .is_null()
        );
    }
    let sound = span.bytes().to_vec();
    let usage = usage_bytes(heap.usage());
    let parts = HeapMap::read(&sound, &usage, WORD).unwrap().parts().count();
    // The table, four slabs and what their alignment left free, two large blocks, the rest.
    assert!(parts >= 8, "{parts}");
    let (mut faults, mut maps) = (0, 0);
    for at in 0..(sound.len() / 512 * WORD).min(if cfg!(miri) { 64 } else { 4096 }) {
        for flip in [1, 2, 4, 0x80, 0xff] {
            let mut damaged = sound.clone();
            damaged[at] ^= flip;
            match HeapMap::read(&damaged, &usage, WORD) {
                Ok(map) => {
                    maps += 1;
                    let sum: usize = map.parts().map(|part| part.len).sum();
                    assert_eq!(sum, damaged.len());
                }
                Err(_) => faults += 1,
            }
        }
    }
    assert!(faults > 0 && maps > 0);
    for at in 0..usage.len() {
        let mut damaged = usage.clone();
        damaged[at] ^= 0x81;
        if let Ok(map) = HeapMap::read(&sound, &damaged, WORD) {
            let _ = map.stats().external_fragmentation_permille();
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut noise = seeded(5);
    for round in 0..if cfg!(miri) { 8 } else { 4000 } {
        let len = [0, 7, 511, 512, 4096, PAGE][round % if cfg!(miri) { 5 } else { 6 }];
        // Small words now and then, so that the walk gets somewhere.
        let span: Vec<u8> = (0..len)
            .map(|at| {
                if at % 4 == 0 || round % 2 == 0 {
                    noise.next().unwrap_or(0)
                } else {
                    0
                }
            })
            .collect();
        let mut usage = vec![0; 16];
        usage[8] = noise.next().unwrap_or(0) / 2;
        usage[12] = 128;
        if let Ok(map) = HeapMap::read(&span, &usage, 4) {
            let counters = map.stats();
            assert!(counters.free_bytes <= counters.budget_bytes);
            let _ = (
                map.class_stats(),
                counters.external_fragmentation_permille(),
            );
        }
    }
}

#[test]
fn what_cannot_be_a_heap_is_named() {
    let span = vec![0; PAGE];
    let read = |usage: &[u8], word| HeapMap::read(&span, usage, word).map(|_| ());
    assert_eq!(read(&[0; 20], 3), Err(MapError::WordBytes(3)));
    assert_eq!(read(&[0; 19], 4), Err(MapError::Usage(20)));
    assert_eq!(read(&[0; 20], 4), Err(MapError::Used(0)));
    let used = |used: u8| {
        let mut usage = [0; 20];
        (usage[8], usage[12]) = (used, used);
        usage
    };
    // A table of one granule, and nothing else.
    assert_eq!(read(&used(1), 4), Ok(()));
    let kinds: Vec<PartKind> = HeapMap::read(&span, &used(1), 4)
        .unwrap()
        .parts()
        .map(|part| part.kind)
        .collect();
    assert_eq!(kinds, [PartKind::Table, PartKind::Unused]);
    assert_eq!(read(&used(20), 4), Err(MapError::Slab(512)));
    assert_eq!(read(&used(200), 4), Err(MapError::Used(200 * 512)));
}
