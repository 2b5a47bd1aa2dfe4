//! Drives the module's cache beside the oracle, for as many operations as the environment says.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::instance_info;
use steadfast_testkit::cache::{Checks, Script, Told, noise, run, run_told};
use wasm_test_guests::{number, report};

steadfast::plan!();

const CHECKS: Checks = Checks {
    validate_every: 4_999,
    compare_every: 2_503,
};

fn drive() {
    let (operations, seed) = (number("OPERATIONS", 20_000), number("SEED", 1));
    let mut cache = steadfast::open_cache().expect("the cache is opened once");
    let mut script = Script::new(noise(seed), number("LARGE", 10_000) as usize);
    let summary = match instance_info::current().forget_seed {
        0 => run(&mut cache, &mut script, operations, CHECKS),
        _ => run_told(
            &mut cache,
            &mut Told::default(),
            &mut script,
            operations,
            CHECKS,
        ),
    };
    let summary = summary.unwrap_or_else(|mismatch| panic!("seed {seed}: {mismatch}"));
    report(0, summary.steps);
    report(1, summary.digest);
    report(2, summary.stats.evictions);
    report(3, u64::from(summary.stats.capacity_bytes));
}

wasm_test_guests::entry!(drive);
