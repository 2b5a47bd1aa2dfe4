//! Where things stand in a region: what the sizes of header, index and arena must be for any
//! capacity and expected entry.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

use steadfast::region::{
    BUCKET_BYTES, ENTRY_HEADER_BYTES, Geometry, HEADER_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES,
    block_bytes,
};

const EXPECTED: [u32; 8] = [0, 1, 20, 60, 137, 1024, 100_000, u32::MAX];

fn limits() -> impl Iterator<Item = u32> {
    let small = (0..20_000).step_by(if cfg!(miri) { 1_999 } else { 37 });
    let powers = (11..32)
        .flat_map(|power| [-1, 0, 1].map(|more| (1_u32 << power).wrapping_add_signed(more)));
    small
        .chain(powers)
        .chain([3 << 20, 1_000_000_007, u32::MAX])
}

#[test]
fn a_geometry_keeps_to_what_it_is_planned_for() {
    for limit in limits() {
        for expected in EXPECTED {
            let Some(of) = Geometry::new(limit, expected) else {
                continue;
            };
            let context = format!("{limit} bytes, entries of {expected}: {of:?}");
            assert_eq!(of.limit, limit, "{context}");
            assert_eq!(of.max_buckets(), of.group_buckets << of.levels, "{context}");
            assert_eq!(
                of.index_bytes(),
                of.max_buckets() * BUCKET_BYTES,
                "{context}"
            );
            assert_eq!(of.arena_start, HEADER_BYTES + of.index_bytes(), "{context}");
            assert!(of.arena_start + ENTRY_HEADER_BYTES <= limit, "{context}");

            // Groups are pairs of buckets, and of 128 to 256 where there is more than one.
            assert!(
                of.group_buckets >= 2 && of.group_buckets % 2 == 0,
                "{context}"
            );
            // An entry's header has eight bits for the place and 16 for the group.
            assert!(of.group_buckets <= 256 && of.levels <= 16, "{context}");
            if of.levels > 0 {
                assert!((128..=256).contains(&of.group_buckets), "{context}");
            }
            // The index begins whole, or with at most an eighth of a megabyte, as much of it as that
            // allows.
            let first = of.group_buckets << of.first_level;
            assert!(of.first_level <= of.levels && first <= 2048, "{context}");
            assert!(of.first_level == of.levels || 2 * first > 2048, "{context}");

            // An arena full of expected entries fills 9.5 slots of each bucket, less what rounds up
            // to whole groups.
            let block = u64::from(ENTRY_HEADER_BYTES) + u64::from(expected.max(1));
            let entries = u64::from(limit - of.arena_start) / block;
            let planned = u64::from(of.max_buckets()) * 19 / 2;
            assert!(entries <= planned, "{context}");
            // A bucket too many is 9.5 slots more, and room for three entries of a byte less.
            let rounding = 13 * (2 << of.levels) + 19;
            assert!(
                entries + rounding >= planned,
                "{context}: {entries} of {planned}"
            );

            // Ages are told apart in 8 to 16 steps, or exactly where there are fewer entries.
            let steps = entries >> of.stamp_shift;
            assert!(
                steps < 16 && (steps >= 8 || of.stamp_shift == 0),
                "{context}"
            );
        }
    }
}

#[test]
fn the_least_region_holds_two_buckets_and_an_entry() {
    let least = HEADER_BYTES + 2 * BUCKET_BYTES + ENTRY_HEADER_BYTES;
    for expected in EXPECTED {
        assert!(Geometry::new(least, expected).is_some(), "{expected}");
        for limit in [0, 1, HEADER_BYTES - 1, HEADER_BYTES, least - 1] {
            assert_eq!(Geometry::new(limit, expected), None, "{limit}, {expected}");
        }
    }
}

/// The formulas of `docs/formats.md`.
#[test]
fn a_geometry_is_what_the_format_says() {
    for limit in limits() {
        for expected in EXPECTED {
            let Some(found) = Geometry::new(limit, expected) else {
                continue;
            };
            let entry = u64::from(expected.max(1));
            let planned = (2 * u64::from(limit - 1856)).div_ceil(128 + 19 * (22 + entry));
            let levels = (planned / 128).checked_ilog2().unwrap_or(0);
            let group_buckets = 2 * planned.div_ceil(2 << levels).max(1);
            let context = format!("{limit} bytes, entries of {expected}");
            assert_eq!(found.levels, levels, "{context}");
            assert_eq!(u64::from(found.group_buckets), group_buckets, "{context}");
            let arena_start = 1856 + 64 * (group_buckets << levels);
            assert_eq!(u64::from(found.arena_start), arena_start, "{context}");
            let first_level = levels.min((2048 / group_buckets).ilog2());
            assert_eq!(found.first_level, first_level, "{context}");
        }
    }
}

#[test]
fn a_block_has_header_key_and_value() {
    for (key, value, bytes) in [
        (0, 0, 22),
        (0, 1, 24),
        (1, 0, 24),
        (1, 1, 24),
        (64, 0, 86),
        (64, 3, 90),
        (65, 0, 88),
        (66, 1, 90),
        (65_535, 0, 65_558),
        (0, (1 << 25) - 1, 22 + (1 << 25)),
    ] {
        assert_eq!(block_bytes(key, value), Some(bytes), "{key}, {value}");
    }
    let (key, value) = (MAX_KEY_BYTES as usize, MAX_VALUE_BYTES as usize);
    assert!(block_bytes(key, value).is_some());
    assert_eq!(block_bytes(key + 1, 0), None);
    assert_eq!(block_bytes(0, value + 1), None);
}
