//! Plays random operations on a heap under the oracle's eyes; the oracle's own memory comes from the module's heap.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast_ops::heap::{Soak, Span, soak};
use wasm_test_guests::report;

steadfast::plan!();

fn run() {
    let runs = [
        (1, Span::fresh(64), 4096, 40_000),
        (2, Span::dirty(64, 0xa5), 100_000, 40_000),
        (3, Span::dirty(2, 0xff), 20_000, 20_000),
    ];
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
