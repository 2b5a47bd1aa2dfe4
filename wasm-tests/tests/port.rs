//! The indexer that was written for metashrew, on a real block and under every kind of memory.

use steadfast_host::{Input, MemoryState, RunConfig, Runner, state_digest};
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
