//! The hit ratio that is predicted for a region's size, beside what a run with that size has.

use steadfast_host::size::{Curve, calibrate, measure, record};
use steadfast_host::{Input, Output, RunConfig, Runner};
use wasm_tests::indexer;

/// What both may differ by.
const TOLERATED: f64 = 0.005;

fn inputs() -> Vec<Input> {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let block = Input::parse("block", block).unwrap();
    (0..3)
        .map(|number| block.at_height(702_861 + number))
        .collect()
}

#[test]
fn the_prediction_agrees_with_runs() {
    let config = RunConfig {
        output: Output::Discard,
        ceiling: 256 << 20,
        ..RunConfig::default()
    };
    let runner = Runner::new(&indexer("metashrew_port"), config).unwrap();
    let inputs = inputs();
    let trace = record(&runner, &inputs, |_| ()).unwrap();
    assert_eq!((trace.unseen, trace.lost), (0, 0));
    let curve = Curve::of(&trace, trace.expected_entry.unwrap());
    let curve = calibrate(&runner, &inputs, curve).unwrap();
    // Each block but the first finds whatever the one before left.
    assert!(curve.best().hit_ratio > 0.6);
    for point in curve.points(4) {
        let run = measure(&runner, &inputs, point.capacity).unwrap();
        let difference = (run.hit_ratio - point.hit_ratio).abs();
        assert!(difference <= TOLERATED, "{point:?} and {run:?}");
    }
}
