//! Every engine leaves the same image of the cache after the same blocks, byte for byte.

use std::io::{self, Write as _};

use steadfast_host::verify::{Ended, Scenario, Subject, engines};
use steadfast_host::{Input, MemoryState, RegionImage, State as _};
use wasm_tests::indexer;

/// Above the heap's budget, and little enough to have on an engine that commits what it grows.
const CEILING: u64 = 160 << 20;

#[test]
fn engines_leave_the_same_images() {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let first = Input::parse("mainnet block 702861", block).unwrap();
    // The last run begins with an image in which every entry was written once, and leaves one with
    // entries of two ages.
    let inputs = [first.clone(), first.at_height(first.height() + 1)];
    let mut scenario = Scenario::reference();
    (scenario.ceiling, scenario.warm) = (CEILING, true);
    for name in ["indexer_metashrew", "indexer-wasi"] {
        let subject = Subject::new(&indexer(name)).unwrap();
        let mut reference: Option<(&str, Vec<RegionImage>)> = None;
        let mut compared = Vec::new();
        for (engine_name, engine) in engines(&subject) {
            let mut engine = match engine {
                Ok(engine) => engine,
                Err(reason) => {
                    // Not by the macro, whose lines are only shown of tests that fail.
                    let _ = writeln!(io::stderr(), "SKIPPED {name} on {engine_name}: {reason}");
                    continue;
                }
            };
            let mut state = MemoryState::default();
            let mut images: Vec<RegionImage> = Vec::new();
            for input in &inputs {
                let seen = engine.run(&scenario, input, &state, images.last());
                let seen = seen.unwrap_or_else(|error| panic!("{name}, {engine_name}: {error}"));
                assert_eq!(seen.ended, Ended::Finished, "{name}, {engine_name}");
                state.apply(&seen.writes).unwrap();
                images.extend(seen.image);
            }
            let (reference_name, expected) =
                reference.get_or_insert_with(|| (engine_name, images.clone()));
            for (place, input) in inputs.iter().enumerate() {
                let [here, there] = [&images, expected]
                    .map(|images| images.get(place).expect("an image for each block"));
                assert!(
                    here.bytes() == there.bytes() && here.address() == there.address(),
                    "{name}, block {}: {engine_name} leaves another image than {reference_name}",
                    input.height()
                );
                assert!(here.info().stats.entries > 8_000, "{name}, {engine_name}");
            }
            assert!(images[0].bytes() != images[1].bytes());
            compared.push(engine_name);
        }
        println!("{name}: one image on {}", compared.join("; "));
        // Wasmtime's three, wasmi and, without WASI, Node are there wherever the tests run; a
        // browser is compared where it is.
        let least = 4 + usize::from(!subject.uses_wasi());
        assert!(compared.len() >= least, "{name}: {compared:?}");
    }
}
