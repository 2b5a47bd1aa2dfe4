//! The views of the metashrew indexers tell what the reference indexer knows.

use steadfast_host::{Input, MemoryState, RunConfig, Runner, State};
use steadfast_testkit::reference::Indexer;
use wasm_tests::indexer;

/// A script that no block pays to.
const UNKNOWN: &[u8] = b"no such script";

/// A block, indexed by a module and by the reference.
struct Indexed {
    input: Input,
    reference: Indexer,
    runner: Runner,
    state: MemoryState,
}

impl Indexed {
    fn by(module: &str) -> Indexed {
        let block = bitcoin_test_data::blocks::mainnet_702861();
        let input = Input::parse("mainnet block 702861", block).unwrap();
        let mut reference = Indexer::default();
        reference.index(input.height(), block).unwrap();
        let runner = Runner::new(&indexer(module), RunConfig::default()).unwrap();
        let mut state = MemoryState::default();
        runner.run_block(&input, &mut state).unwrap();
        Indexed {
            input,
            reference,
            runner,
            state,
        }
    }

    fn ask(&self, view: &str, argument: &[u8]) -> Vec<u8> {
        let question = Input::new(self.input.height(), argument);
        self.runner.view(view, &question, &self.state).unwrap()
    }

    /// Some of the state's outputs: key, value and script.
    fn outputs(&self) -> Vec<(&[u8], &[u8], &[u8])> {
        let stored = self.reference.state.iter();
        let outputs = stored.filter(|(key, _)| key[0] == b'o').step_by(61);
        let outputs =
            outputs.map(|(key, value)| (&key[1..], &value[..], &value[size_of::<u64>()..]));
        let outputs: Vec<_> = outputs.collect();
        assert!(outputs.len() > 50, "only {} outputs", outputs.len());
        outputs
    }
}

#[test]
fn views_agree_with_the_reference() {
    let indexed = Indexed::by("indexer_metashrew");
    let balance = |script: &[u8]| {
        let (amount, outputs) = indexed.reference.balance(script);
        [amount.to_le_bytes(), outputs.to_le_bytes()].concat()
    };
    for (outpoint, value, script) in indexed.outputs() {
        assert_eq!(indexed.ask("output", outpoint), value);
        assert_eq!(indexed.ask("balance", script), balance(script));
    }
    assert_eq!(indexed.ask("balance", UNKNOWN), balance(UNKNOWN));
    assert!(indexed.ask("output", &[0; 36]).is_empty());
}

/// Those of the indexer that was written for metashrew, which counts each script's unspent outputs
/// too.
#[test]
fn the_ports_views_agree_with_the_reference() {
    let indexed = Indexed::by("metashrew_port");
    let height = indexed.input.height();
    let hash = indexed.ask("blockhash", &height.to_le_bytes());
    let key = [&b"h"[..], &height.to_be_bytes()].concat();
    assert_eq!(hash, indexed.reference.state[&key]);
    let snapshot = indexed.state.snapshot().unwrap();
    for (outpoint, _, script) in indexed.outputs() {
        let (_, unspent) = indexed.reference.balance(script);
        let unspent = (unspent as u32).to_le_bytes();
        assert_eq!(indexed.ask("unspent", script), unspent);
        let stored = [b"/outputs/byoutpoint/", outpoint].concat();
        assert_eq!(snapshot.get(&stored).unwrap().as_deref(), Some(script));
    }
}
