//! The hit ratio that is predicted for a region's size, beside what a run with that size has.

use std::num::NonZeroU32;

use steadfast_host::size::{Cause, Prediction, better_entry, measure, record};
use steadfast_host::{Input, Output, RunConfig, Runner};
use wasm_tests::indexer;

/// What both may differ by.
const TOLERATED: f64 = 0.005;

fn config() -> RunConfig {
    RunConfig {
        output: Output::Discard,
        ceiling: 256 << 20,
        ..RunConfig::default()
    }
}

fn inputs() -> Vec<Input> {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let block = Input::parse("block", block).unwrap();
    (0..3)
        .map(|number| block.at_height(702_861 + number))
        .collect()
}

#[test]
fn the_prediction_agrees_with_runs() {
    // One whose entries are as large as its plan expects; and one whose entries are so small that
    // its index is full before its region is.
    for (module, is_misfit) in [
        ("indexer_metashrew", false),
        ("bench/indexer-steadfast", true),
    ] {
        let runner = Runner::new(&indexer(module), config()).unwrap();
        let inputs = inputs();
        let trace = record(&runner, &inputs, |_| ()).unwrap().trace;
        assert_eq!((trace.unseen, trace.lost), (0, 0));
        let expected = trace.expected_entry.unwrap();
        let prediction = Prediction::new(&trace, expected);
        assert!(prediction.best().hit_ratio > 0.2);
        let better = better_entry(&prediction, &prediction.within(1.0));
        let halves = better.is_some_and(|better| better.expected_entry * 2 < expected);
        assert_eq!(halves, is_misfit, "{module}: {better:?}");
        for point in prediction.points(4) {
            let run = measure(&runner, &inputs, point.capacity).unwrap();
            let difference = (run.point.hit_ratio - point.hit_ratio).abs();
            assert!(difference <= TOLERATED, "{module}: {point:?} and {run:?}");
        }
    }
}

#[test]
fn a_difference_is_blamed_on_what_made_it() {
    let runner = Runner::new(&indexer("indexer_metashrew"), config()).unwrap();
    let inputs = &inputs()[..2];
    let trace = record(&runner, inputs, |_| ()).unwrap().trace;
    let prediction = Prediction::new(&trace, trace.expected_entry.unwrap());
    let enough = prediction.best().capacity;
    let cause = |change: fn(&mut RunConfig), capacity| {
        let mut config = config();
        change(&mut config);
        let runner = runner.with_config(config.clone()).unwrap();
        let run = measure(&runner, inputs, capacity).unwrap();
        Cause::of(&config, &prediction, &run)
    };
    let forgets = cause(|config| config.forget = NonZeroU32::new(1), enough);
    assert_eq!(forgets, Cause::Forgets);
    let small = cause(|config| config.ceiling = 129 << 20, 4 << 20);
    let region = Cause::Region {
        asked: 4 << 20,
        had: 1 << 20,
    };
    assert_eq!(small, region);
}

/// The heap of a run with the recommended budget is not near its end; one that holds four large
/// buffers says how large they are.
#[test]
fn the_heap_that_blocks_need_is_told() {
    let runner = Runner::new(&indexer("metashrew_port"), config_of_all()).unwrap();
    let need = record(&runner, &inputs()[..1], |_| ())
        .unwrap()
        .heap
        .unwrap();
    let plan = runner.guest().plan().unwrap();
    let budget = plan.region_base().get() - u64::from(need.start);
    assert_eq!(u64::from(need.budget_bytes + need.c_bytes), budget);
    assert!(need.used.peak_bytes <= need.used.reached_bytes);
    assert!(need.used.largest_bytes <= need.used.peak_bytes);
    // The input alone is a block of its own.
    let input = inputs()[0].bytes().len();
    assert!(need.used.largest_bytes as usize >= input, "{need:?}");
    assert!(!need.is_near() && need.region_base() < plan.region_base().get());
}

fn config_of_all() -> RunConfig {
    RunConfig {
        ceiling: 4 << 30,
        ..config()
    }
}
