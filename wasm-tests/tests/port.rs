//! The indexer that was written for metashrew, on a real block and under every kind of memory.

use steadfast_host::{Input, MemoryState, RunConfig, Runner, State, state_digest};
use steadfast_testkit::reference::Indexer;
use wasm_tests::indexer;

const MIB: u64 = 1 << 20;
const BUDGET: u64 = 1024 * MIB;

#[test]
fn it_indexes_a_real_block_alike_whatever_is_granted() {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("mainnet block 702861", block).unwrap();
    let runner = Runner::new(&indexer("metashrew_port"), RunConfig::default()).unwrap();
    let mut seen = None;
    for (ceiling, cache) in [
        (4096 * MIB, None),
        (BUDGET + 384 * MIB, None),
        (BUDGET + MIB, None),
        (BUDGET, None),
        (4096 * MIB, Some(9_000)),
    ] {
        let config = RunConfig {
            ceiling,
            cache,
            ..RunConfig::default()
        };
        let mut state = MemoryState::default();
        let report = runner
            .with_config(config)
            .unwrap()
            .run_block(&input, &mut state);
        let report = report.unwrap_or_else(|error| panic!("{ceiling} B: {error}"));
        let result = (state_digest(&state).unwrap(), report.heap_trace().unwrap());
        assert_eq!(
            &result,
            seen.get_or_insert(result),
            "{ceiling} B, {cache:?}"
        );
    }
}

/// Its views agree with the reference indexer, which counts each script's unspent outputs too.
#[test]
fn its_views_tell_what_the_reference_knows() {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    let input = Input::parse("mainnet block 702861", block).unwrap();
    let mut reference = Indexer::default();
    reference.index(input.height(), block).unwrap();
    let runner = Runner::new(&indexer("metashrew_port"), RunConfig::default()).unwrap();
    let mut state = MemoryState::default();
    runner.run_block(&input, &mut state).unwrap();
    let ask = |view: &str, argument: &[u8]| {
        let question = Input::new(input.height(), argument);
        runner.view(view, &question, &state).unwrap()
    };
    let hash = ask("blockhash", &input.height().to_le_bytes());
    let height = [&b"h"[..], &input.height().to_be_bytes()].concat();
    assert_eq!(hash, reference.state[&height]);
    let mut asked = 0;
    let outputs = reference.state.iter().filter(|(key, _)| key[0] == b'o');
    for (key, output) in outputs.step_by(61) {
        let script = &output[size_of::<u64>()..];
        let (_, unspent) = reference.balance(script);
        assert_eq!(ask("unspent", script), (unspent as u32).to_le_bytes());
        let stored = [b"/outputs/byoutpoint/", &key[1..]].concat();
        let stored = state.snapshot().unwrap().get(&stored).unwrap();
        assert_eq!(stored.as_deref(), Some(script));
        asked += 1;
    }
    assert!(asked > 50, "only {asked} outputs were asked for");
}
