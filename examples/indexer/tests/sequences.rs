//! Made-up chains against the reference, with caches that outlive the block.

mod common;

use common::{Forgetful, MemoryHost, Tx, block, index_both, input};
use indexer::{Cache, NoCache};
use proptest::prelude::*;
use steadfast_testkit::reference::{Block, Indexer};

/// One transaction's choices: which earlier output each input spends, and amount and script of each
/// output.
#[derive(Clone, Debug)]
struct Choice {
    spends: Vec<(bool, u16)>,
    creates: Vec<(u64, u8)>,
    segwit: bool,
}

fn choice() -> impl Strategy<Value = Choice> {
    (
        prop::collection::vec((prop::bool::weighted(0.9), any::<u16>()), 1..4),
        prop::collection::vec(
            (prop_oneof![0..1000_u64, Just(u64::MAX / 3)], any::<u8>()),
            1..5,
        ),
        any::<bool>(),
    )
        .prop_map(|(spends, creates, segwit)| Choice {
            spends,
            creates,
            segwit,
        })
}

/// A few scripts, so that balances meet: mostly short ones, a few that can never be spent.
fn script(choice: u8) -> Vec<u8> {
    match choice {
        0..=9 => vec![0x6A, choice],
        10..=12 => vec![0x51; 10_001],
        13..=15 => vec![0x51; 10_000],
        16 => Vec::new(),
        _ => vec![0x51, choice % 8],
    }
}

/// Builds each block from its choices and the outputs that exist by then, and indexes it both ways.
fn run(chain: &[Vec<Choice>], cache: &mut impl Cache) {
    let (mut host, mut reference) = (MemoryHost::default(), Indexer::default());
    let mut known: Vec<([u8; 32], u32)> = Vec::new();
    for (height, choices) in (0_u32..).zip(chain) {
        // Every third coinbase repeats the one before, identifier and all.
        let mark = height - u32::from(height % 3 == 2);
        let mut transactions = vec![Tx::coinbase(
            mark,
            vec![(50, script(16)), (1, vec![0x51, 1])],
        )];
        for (position, choice) in choices.iter().enumerate() {
            let spends = choice.spends.iter().map(|&(real, pick)| match known.len() {
                len if real && len > 0 => known[usize::from(pick) % len],
                _ => ([9; 32], u32::from(pick)),
            });
            let tx = Tx {
                spends: spends.collect(),
                creates: choice
                    .creates
                    .iter()
                    .map(|&(amount, pick)| (amount, script(pick)))
                    .collect(),
                segwit: choice.segwit,
                lock_time: height << 8 | position as u32,
            };
            // Later transactions of the block may spend this one's outputs.
            let alone = block(std::slice::from_ref(&tx));
            let txid = Block::decode(&alone).expect("well-formed").transactions[0].txid;
            known.extend((0..tx.creates.len() as u32).map(|number| (txid, number)));
            transactions.push(tx);
        }
        index_both(
            &input(height, &block(&transactions)),
            &mut host,
            cache,
            &mut reference,
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_cache_gives_the_reference_state(
        chain in prop::collection::vec(prop::collection::vec(choice(), 0..12), 1..10),
        limit in 0..40_usize,
    ) {
        run(&chain, &mut NoCache);
        run(&chain, &mut Forgetful::new(limit));
        run(&chain, &mut Forgetful::new(usize::MAX));
    }
}

#[test]
fn a_cache_that_outlives_the_block_spares_the_host() {
    let mut cache = Forgetful::new(usize::MAX);
    let (mut host, mut reference) = (MemoryHost::default(), Indexer::default());
    let first = block(&[Tx::coinbase(1, vec![(50, vec![0x51])])]);
    index_both(&input(1, &first), &mut host, &mut cache, &mut reference).expect("well-formed");
    let spend = Tx {
        spends: vec![(
            Block::decode(&first).expect("well-formed").transactions[0].txid,
            0,
        )],
        creates: vec![(49, vec![0x52])],
        segwit: true,
        lock_time: 0,
    };
    let second = block(&[Tx::coinbase(2, vec![(50, vec![0x53])]), spend]);
    index_both(&input(2, &second), &mut host, &mut cache, &mut reference).expect("well-formed");
    assert_eq!(
        (cache.hits, host.loads),
        (2, 0),
        "the output and its script's balance were at hand"
    );
    assert_eq!(reference.balance(&[0x51]), (0, 0));
    assert_eq!(reference.balance(&[0x52]), (49, 1));
}
