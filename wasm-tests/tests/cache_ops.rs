//! The cache beside its oracle in a module: no difference, and the same results as natively.

use steadfast::cache::Cache;
use steadfast_testkit::cache::{Checks, Script, Spec, Told, noise, region, run, run_told};
use wasm_tests::{Guest, Setting, TARGETS};

/// Plays so many operations on a cache that the host limits to so many bytes and makes forget,
/// unless `forget_seed` is 0, and holds the results against a native run's.
fn compare(guest: &Guest, seed: u64, capacity: u32, operations: u64, forget_seed: u32) {
    const LARGE: usize = 10_000;
    let setting = Setting {
        cache_limit: Some(capacity),
        forget_seed,
        env: [
            ("OPERATIONS", operations),
            ("SEED", seed),
            ("LARGE", LARGE as u64),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_string()))
        .to_vec(),
        ..Setting::default()
    };
    let context = format!("seed {seed}, {capacity} bytes, forgetting by {forget_seed}");
    let outcome = guest.run(&setting).unwrap().finished(&context);
    let mut cache = Cache::new(region(&Spec {
        forget_seed,
        ..Spec::fresh(capacity)
    }));
    let mut script = Script::new(noise(seed), LARGE);
    let native = match forget_seed {
        0 => run(&mut cache, &mut script, operations, Checks::SPARSE),
        _ => run_told(
            &mut cache,
            &mut Told::default(),
            &mut script,
            operations,
            Checks::SPARSE,
        ),
    };
    let native = native.unwrap_or_else(|mismatch| panic!("{context}: {mismatch}"));
    let expected = [
        operations,
        native.digest,
        native.stats.evictions,
        u64::from(native.stats.capacity_bytes),
    ];
    assert_eq!(outcome.results[..4], expected, "{context}");
}

#[test]
fn a_module_gives_the_results_of_a_native_process() {
    let guest = Guest::load(TARGETS[0], "cache-ops");
    for (seed, capacity) in [(1, 5_000), (2, 70_008), (3, 1 << 20), (4, 5 << 20), (5, 0)] {
        compare(&guest, seed, capacity, 20_000, 0);
    }
}

#[test]
fn a_module_forgets_what_a_native_process_forgets() {
    let guest = Guest::load(TARGETS[0], "cache-ops");
    for forget_seed in 1..=16 {
        let capacity = 5_000 << (forget_seed % 8);
        compare(&guest, forget_seed.into(), capacity, 5_000, forget_seed);
    }
}

/// From nothing over the header, the first buckets and the first entry to further steps of the
/// index. `tests/cache_capacities.rs` goes on natively.
#[test]
fn every_small_capacity_works_or_is_disabled() {
    let guest = Guest::load(TARGETS[0], "cache-ops");
    for capacity in (0..=8192).step_by(8) {
        compare(&guest, capacity.into(), capacity, 25, 0);
    }
}
