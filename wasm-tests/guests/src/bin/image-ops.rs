//! Carries out operations on a small cache, to be stopped anywhere. Reports the operation that it
//! is at and how its cache began; with a number of 1 in the last place, it only tells what it
//! found.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::cache::{Pool, Scope};
use steadfast::{Bytes, Plan};
use steadfast_testkit::cache::{Script, apply, noise};
use wasm_test_guests::{Digest, RESULTS, guest_results, report};

steadfast::plan!(
    Plan::DEFAULT
        .with_c_heap(Bytes::kib(64))
        .with_region_base(Bytes::mib(2))
        .with_region_max(Bytes::kib(64))
        .with_expected_entry(60)
);

const OPERATIONS: u64 = 400;

fn drive() {
    let only_look = guest_results.with(|results| results[RESULTS - 1]) == 1;
    let mut cache = steadfast::open_cache().expect("the cache is opened once");
    report(1, u64::from(cache.start().code()));
    if only_look {
        let mut digest = Digest::default();
        let mut entries = 0;
        for pool in Pool::ALL {
            for (_, key, value) in cache.entries(pool) {
                entries += 1;
                key.iter()
                    .chain(value)
                    .for_each(|byte| digest.add((*byte).into()));
            }
        }
        report(2, digest.value());
        report(3, entries);
        return;
    }
    let mut script = Script::new(noise(3), 3_000).all_pools();
    let mut scope = Scope::Main;
    for number in 1..=OPERATIONS {
        let op = script.next().expect("the noise does not end");
        report(0, number);
        apply(&mut cache, &mut scope, &op);
    }
    report(0, OPERATIONS + 1);
}

wasm_test_guests::entry!(drive);
