//! What a host reads from a heap's bytes, to the byte: parts, counters, and the fault where bytes
//! are none.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::heap::{HeapMap, HeapStats, MapError, Part, PartKind};

const GRANULE: usize = 512;
const GRANULES: usize = 128;
const FREE: u32 = 1;
const LARGE: u32 = 2;

/// The bytes of a heap over one page, as a module has it, written by hand.
struct Bytes {
    span: Vec<u8>,
    usage: [u32; 5],
}

impl Bytes {
    /// A large block of 5 granules, a free run of 10, a slab of 64-byte blocks with 3 in use, one
    /// of 2048-byte blocks with 4, a free run of 2, and a large block of 4.
    fn new() -> Self {
        let mut bytes = Self {
            span: vec![0xa5; GRANULES * GRANULE],
            usage: [(5 + 16 + 16 + 4) * 512, 60 * 512, 54, 70, 9],
        };
        for (at, word) in [
            (1, 5 << 2 | LARGE),
            (6, 10 << 2 | FREE),
            (16, 64),
            (18, 3 * 4),
            (32, 2048),
            (34, 4 * 4),
            (48, 2 << 2 | FREE),
            (50, 4 << 2 | LARGE),
        ] {
            bytes.set(at, word);
        }
        bytes
    }

    /// Writes the word of a granule.
    fn set(&mut self, at: usize, word: u32) {
        self.span[4 * at..][..4].copy_from_slice(&word.to_le_bytes());
    }

    fn usage(&self) -> Vec<u8> {
        let words = self.usage.iter();
        words.flat_map(|word| word.to_le_bytes()).collect()
    }

    fn fault(&self) -> Option<MapError> {
        HeapMap::read(&self.span, &self.usage(), 4).err()
    }

    /// The fault after a word of the table was changed.
    fn fault_with(at: usize, word: u32) -> Option<MapError> {
        let mut bytes = Self::new();
        bytes.set(at, word);
        bytes.fault()
    }
}

#[test]
fn the_parts_and_their_sums_are_those_of_the_bytes() {
    let bytes = Bytes::new();
    let map = HeapMap::read(&bytes.span, &bytes.usage(), 4).expect("it is a heap");
    let slab = |block_bytes, live_blocks| PartKind::Slab {
        block_bytes,
        live_blocks,
    };
    let expected = [
        (0, 1, PartKind::Table),
        (1, 5, PartKind::Large),
        (6, 10, PartKind::Free),
        (16, 16, slab(64, 3)),
        (32, 16, slab(2048, 4)),
        (48, 2, PartKind::Free),
        (50, 4, PartKind::Large),
        (54, 74, PartKind::Unused),
    ];
    let expected = expected.map(|(at, len, kind)| Part {
        offset: at * GRANULE,
        len: len * GRANULE,
        kind,
    });
    assert_eq!(map.parts().collect::<Vec<_>>(), expected);
    assert_eq!(
        map.stats(),
        HeapStats {
            budget_bytes: 128 * GRANULE,
            live_bytes: 9 * GRANULE + 3 * 64 + 4 * 2048,
            held_bytes: 41 * GRANULE,
            peak_bytes: 60 * GRANULE,
            free_bytes: (10 + 2 + 74) * GRANULE,
            largest_free_bytes: 74 * GRANULE,
            high_water_bytes: 70 * GRANULE,
            slabs: 2,
            large_blocks: 2,
        }
    );
    let classes = map.class_stats();
    assert!(classes.is_sorted_by_key(|class| class.block_bytes));
    for class in classes {
        let expected = match class.block_bytes {
            64 => (1, 3, 128),
            2048 => (1, 4, 4),
            _ => (0, 0, 0),
        };
        let found = (class.slabs, class.live_blocks, class.capacity_blocks);
        assert_eq!(found, expected, "{class:?}");
    }
}

#[test]
fn the_share_of_scattered_bytes_is_in_thousandths() {
    for (free, largest, permille) in [
        (0, 0, 0),
        (1000, 1000, 0),
        (1000, 600, 400),
        (86 * GRANULE, 74 * GRANULE, 139),
        (3 << 30, 1 << 30, 666),
    ] {
        let counters = HeapStats {
            free_bytes: free,
            largest_free_bytes: largest,
            ..HeapStats::default()
        };
        assert_eq!(counters.external_fragmentation_permille(), permille);
    }
}

#[test]
fn words_have_four_or_eight_bytes_and_the_usage_words_are_whole() {
    let bytes = Bytes::new();
    for width in [0, 1, 2, 3, 5, 6, 7, 9, 16] {
        let fault = HeapMap::read(&bytes.span, &bytes.usage(), width).err();
        assert_eq!(fault, Some(MapError::WordBytes(width)));
    }
    for (width, needed) in [(4, 20), (8, 40)] {
        for len in 0..needed {
            let fault = HeapMap::read(&bytes.span, &vec![0; len], width).err();
            assert_eq!(fault, Some(MapError::Usage(needed)), "{len} bytes");
        }
    }
}

#[test]
fn the_used_part_lies_between_the_table_and_the_end() {
    // Used granules, the most that ever were, and whether they can be.
    for (used, highest, fits) in [
        (54, 54, true),
        (54, 53, false),
        (54, 128, true),
        (54, 129, false),
        (1, 1, true),
        (0, 1, false),
    ] {
        let mut bytes = Bytes::new();
        bytes.usage[2..4].copy_from_slice(&[used, highest]);
        let fault = (!fits).then_some(MapError::Used(used as usize * GRANULE));
        assert_eq!(bytes.fault(), fault, "{used} of {highest}");
    }
}

#[test]
fn runs_of_a_wrong_length_are_named() {
    for (at, word) in [
        (1, LARGE),
        (6, FREE),
        (50, 5 << 2 | LARGE),
        (50, 5 << 2 | FREE),
        (50, u32::MAX),
        // A slab that would reach past the used part.
        (50, 0),
    ] {
        let fault = Bytes::fault_with(at, word);
        let slab = word & (FREE | LARGE) == 0;
        let expected = if slab {
            MapError::Slab(at * GRANULE)
        } else {
            MapError::RunLength(at * GRANULE)
        };
        assert_eq!(fault, Some(expected), "word {word:#x} at {at}");
    }
    let mut short = Bytes::new();
    short.usage[2] = 47;
    assert_eq!(short.fault(), Some(MapError::RunLength(32 * GRANULE)));
}

#[test]
fn slabs_with_bad_words_are_named() {
    for (at, word, fault) in [
        (16, 60, 16),
        (16, 8, 16),
        (16, 2052, 16),
        (16, 4096, 16),
        // More blocks in use than there are.
        (18, 129 * 4, 16),
        (34, 5 * 4, 32),
        // Where no slab can stand.
        (6, 64, 6),
        (1, 64, 1),
    ] {
        let found = Bytes::fault_with(at, word);
        assert_eq!(found, Some(MapError::Slab(fault * GRANULE)));
    }
    assert_eq!(Bytes::fault_with(18, 128 * 4), None);
    assert_eq!(Bytes::fault_with(18, 0), None);
}
