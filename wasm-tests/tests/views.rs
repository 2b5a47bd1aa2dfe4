//! The views of the metashrew indexer tell what the reference indexer knows.

use steadfast_host::{Input, MemoryState, RunConfig, Runner};
use steadfast_testkit::reference::Indexer;
use wasm_tests::indexer;

/// One in so many of the state's keys is asked for.
const STRIDE: usize = 61;

/// A script that no block pays to.
const UNKNOWN: &[u8] = b"no such script";

#[test]
fn views_agree_with_the_reference() {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("mainnet block 702861", block).unwrap();
    let mut reference = Indexer::default();
    reference.index(input.height(), block).unwrap();

    let runner = Runner::new(&indexer("indexer_metashrew"), RunConfig::default()).unwrap();
    let mut state = MemoryState::default();
    runner.run_block(&input, &mut state).unwrap();

    let ask = |view: &str, argument: &[u8]| {
        let question = Input::new(input.height(), argument);
        runner.view(view, &question, &state).unwrap()
    };
    let balance = |script: &[u8]| {
        let (amount, outputs) = reference.balance(script);
        [amount.to_le_bytes(), outputs.to_le_bytes()].concat()
    };
    let mut outputs = 0;
    let stored = reference.state.iter().filter(|(key, _)| key[0] == b'o');
    for (key, value) in stored.step_by(STRIDE) {
        assert_eq!(&ask("output", &key[1..]), value);
        let script = &value[size_of::<u64>()..];
        assert_eq!(ask("balance", script), balance(script));
        outputs += 1;
    }
    assert!(outputs > 50, "only {outputs} outputs were asked for");
    assert_eq!(ask("balance", UNKNOWN), balance(UNKNOWN));
    assert!(ask("output", &[0; 36]).is_empty());
}
