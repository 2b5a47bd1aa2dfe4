//! The cache beside its oracle in a module: no difference, and the same results as natively.

use steadfast::cache::Cache;
use steadfast_ops::cache::{Checks, Script, Spec, noise, region, run};
use wasm_tests::{Guest, Setting, TARGETS};

const OPERATIONS: u64 = 20_000;
const LARGE: usize = 10_000;

#[test]
fn a_module_gives_the_results_of_a_native_process() {
    let guest = Guest::load(TARGETS[0], "cache-ops");
    for (seed, capacity) in [(1, 5_000), (2, 70_008), (3, 1 << 20), (4, 5 << 20), (5, 0)] {
        let setting = Setting {
            cache_limit: Some(capacity),
            env: [
                ("OPERATIONS", OPERATIONS),
                ("SEED", seed),
                ("LARGE", LARGE as u64),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_string()))
            .to_vec(),
            ..Setting::default()
        };
        let context = format!("seed {seed}, {capacity} bytes");
        let outcome = guest.run(&setting).unwrap().finished(&context);
        let mut cache = Cache::new(region(&Spec::fresh(capacity)));
        let mut script = Script::new(noise(seed), LARGE);
        let native = run(&mut cache, &mut script, OPERATIONS, Checks::SPARSE);
        let native = native.unwrap_or_else(|mismatch| panic!("{context}: {mismatch}"));
        let expected = [
            OPERATIONS,
            native.digest,
            native.stats.evictions,
            u64::from(native.stats.capacity_bytes),
        ];
        assert_eq!(outcome.results[..4], expected, "{context}");
    }
}
