//! Plays random operations on a heap under the oracle's eyes; the oracle's own memory comes from
//! the module's heap. One long run instead of the short ones where the environment says how many
//! operations.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast_testkit::heap::{Soak, Span, soak};
use wasm_test_guests::{number, report};

steadfast::plan!();

fn run() {
    let runs = [
        (1, Span::fresh(64), 4096, 40_000),
        (2, Span::dirty(64, 0xa5), 100_000, 40_000),
        (3, Span::dirty(2, 0xff), 20_000, 20_000),
    ];
    let long = number("OPERATIONS", 0);
    if long > 0 {
        let soak = soak(Span::dirty(256, 0xa5), number("SEED", 1), 100_000, long);
        report(0, soak.digest);
        report(1, soak.refused);
        report(2, soak.peak_bytes as u64);
        return;
    }
    for (at, (seed, span, max_size, operations)) in runs.into_iter().enumerate() {
        let Soak {
            refused,
            peak_bytes,
            digest,
            ..
        } = soak(span, seed, max_size, operations);
        report(3 * at, digest);
        report(3 * at + 1, refused);
        report(3 * at + 2, peak_bytes as u64);
    }
}

wasm_test_guests::entry!(run);
