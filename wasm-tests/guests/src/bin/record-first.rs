//! Is refused its budget, and prints why through its own sink.
#![cfg_attr(target_family = "wasm", no_main)]

use steadfast::probe::ReserveError;
use wasm_test_guests::report;

steadfast::plan!();

fn sink(refusal: &ReserveError) {
    if let ReserveError::Budget { have, need } = refusal {
        report(1, u64::from(*have));
        report(2, u64::from(*need));
    }
}

fn run() {
    steadfast::on_refusal(sink);
    report(0, 1);
    report(3, u64::from(steadfast::reserve().region.len));
}

wasm_test_guests::entry!(run);
