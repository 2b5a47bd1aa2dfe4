//! The hit ratio that is predicted for a region's size, beside what a run with that size has.

use steadfast_host::size::{Prediction, measure, record};
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
    // One whose entries are as large as its plan expects; and one whose entries are so small that its index is full before its
    // region is.
    for (module, is_misfit) in [
        ("indexer_metashrew", false),
        ("bench/indexer-steadfast", true),
    ] {
        let runner = Runner::new(&indexer(module), config.clone()).unwrap();
        let inputs = inputs();
        let trace = record(&runner, &inputs, |_| ()).unwrap();
        assert_eq!((trace.unseen, trace.lost), (0, 0));
        let expected = trace.expected_entry.unwrap();
        assert_eq!(trace.mean_entry() * 2 < expected, is_misfit);
        let prediction = Prediction::new(&trace, expected);
        assert!(prediction.best().hit_ratio > 0.2);
        for point in prediction.points(4) {
            let run = measure(&runner, &inputs, point.capacity).unwrap();
            let difference = (run.hit_ratio - point.hit_ratio).abs();
            assert!(difference <= TOLERATED, "{module}: {point:?} and {run:?}");
        }
    }
}
