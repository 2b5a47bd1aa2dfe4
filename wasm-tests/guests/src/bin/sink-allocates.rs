//! Is refused its memory, and tells a sink that asks for some.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::probe::ReserveError;
use wasm_test_guests::{guest_results, report};

steadfast::plan!();

fn sink(refusal: &ReserveError) {
    guest_results.with(|results| results[0] += 1);
    let words = refusal.to_string();
    report(1, words.len() as u64);
}

fn run() {
    steadfast::on_refusal(sink);
    report(2, u64::from(steadfast::reserve().region.len));
}

wasm_test_guests::entry!(run);
