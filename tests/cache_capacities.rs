//! Every capacity gives a cache that works, or one that is disabled; nothing in between, and no
//! panic.
#![cfg(not(miri))]

use std::collections::BTreeSet;

use steadfast::cache::Cache;
use steadfast::region::{Geometry, HEADER_BYTES, block_bytes};
use steadfast_testkit::cache::{Checks, Script, Spec, noise, region, run};

/// The largest capacity that is tried.
const MOST: u32 = 4 << 20;

/// How far around a boundary, in bytes.
const AROUND: u32 = 64;

/// The capacities at which the number of buckets changes, up to a limit.
fn index_steps(most: u32, expected_entry: u32) -> Vec<u32> {
    let start =
        |capacity| Geometry::new(capacity, expected_entry).map(|geometry| geometry.arena_start);
    let mut steps = Vec::new();
    let mut last = None;
    for capacity in (HEADER_BYTES..=most).step_by(8) {
        if start(capacity) != last {
            last = start(capacity);
            steps.push(capacity);
        }
    }
    steps
}

/// Runs a short script; says whether the cache was enabled.
fn works(capacity: u32, expected_entry: u32, steps: u64) -> bool {
    let spec = Spec {
        expected_entry,
        ..Spec::fresh(capacity)
    };
    let mut cache = Cache::new(region(&spec));
    let is_enabled = cache.is_enabled();
    let mut script = Script::new(noise(u64::from(capacity)), capacity as usize * 5 / 4);
    let summary = run(&mut cache, &mut script, steps, Checks::FULL)
        .unwrap_or_else(|mismatch| panic!("{capacity} bytes: {mismatch}"));
    let expected = if is_enabled { capacity } else { 0 };
    assert_eq!(summary.stats.capacity_bytes, expected);
    is_enabled
}

/// The boundaries: the header, two buckets and an entry behind it, each further step of the index
/// up to 32 KiB, and then some of those.
fn boundaries(expected_entry: u32) -> BTreeSet<u32> {
    let entry = block_bytes(41, 96).expect("a short entry");
    let mut boundaries = BTreeSet::from([HEADER_BYTES]);
    for (number, step) in index_steps(MOST, expected_entry).into_iter().enumerate() {
        if step < 32 << 10 || number.is_power_of_two() {
            boundaries.extend([step, step + entry]);
        }
    }
    boundaries
}

#[test]
fn every_capacity_around_a_boundary_works_or_is_disabled() {
    for expected_entry in [137, 1, 1024] {
        let mut enabled_from = None;
        let around = |at: u32| (at.saturating_sub(AROUND)..=at + AROUND).step_by(8);
        let mut capacities: BTreeSet<u32> = boundaries(expected_entry)
            .into_iter()
            .flat_map(|at| around(at & !7))
            .collect();
        capacities.extend((0..=4096).step_by(8));
        for capacity in capacities {
            let is_enabled = works(capacity, expected_entry, 25);
            let was_enabled = enabled_from.is_some();
            assert!(
                is_enabled || !was_enabled,
                "{capacity} bytes are disabled, fewer were not"
            );
            if is_enabled {
                enabled_from = enabled_from.or(Some(capacity));
            }
        }
        assert!(enabled_from.is_some());
    }
}

#[test]
fn capacities_in_between_work() {
    for capacity in (4096..=MOST).step_by(40_008) {
        assert!(works(capacity, 137, 60), "{capacity} bytes are disabled");
    }
}
