//! Real blocks, through the metashrew interface and against the reference.

mod common;

use bitcoin_test_data::blocks::mainnet_702861;
use common::{Forgetful, MemoryHost, index_both, input};
use indexer::{NoCache, metashrew};
use steadfast::metashrew::host::stand_in;
use steadfast_testkit::reference::Indexer;

#[test]
fn a_block_through_the_metashrew_interface() {
    let mut reference = Indexer::default();
    reference
        .index(702_861, mainnet_702861())
        .expect("a block of the main network");

    stand_in::with(|host| host.input = input(702_861, mainnet_702861()));
    let summary = metashrew::index(&steadfast::metashrew::host_interface::input(), &mut NoCache);
    assert_eq!(
        (summary.transactions, summary.inputs, summary.outputs),
        (2500, 6518, 6015)
    );
    stand_in::with(|host| {
        assert!(host.store == reference.state, "the states differ");
        assert_eq!(host.flushes.len(), 1);
    });

    for (key, value) in &reference.state {
        if key[0] != b'o' {
            continue;
        }
        assert_eq!(
            metashrew::output(&input(702_861, &key[1..]), &mut NoCache),
            *value
        );
        let script = &value[8..];
        let (amount, outputs) = reference.balance(script);
        assert_eq!(
            metashrew::balance(&input(702_861, script), &mut NoCache),
            [amount.to_le_bytes(), outputs.to_le_bytes()].concat()
        );
    }
}

#[test]
fn views_answer_for_what_is_not_there() {
    assert!(metashrew::output(&input(1, &[7; 36]), &mut NoCache).is_empty());
    assert_eq!(
        metashrew::balance(&input(1, b"script"), &mut NoCache),
        [0; 16]
    );
}

#[test]
#[should_panic(expected = "refused: an outpoint is 36 bytes")]
fn a_wrong_argument_halts_a_view() {
    let _ = metashrew::output(&input(1, &[7; 35]), &mut NoCache);
}

/// Blocks that are not shipped with the project: every file in the directory that `INDEXER_BLOCKS`
/// names, each a metashrew input, in the order of their heights.
#[test]
fn further_blocks_in_sequence() {
    let Some(directory) = std::env::var_os("INDEXER_BLOCKS") else {
        println!("skipped: INDEXER_BLOCKS names no directory of metashrew inputs");
        return;
    };
    let files = std::fs::read_dir(&directory).expect("INDEXER_BLOCKS names a directory");
    let mut inputs: Vec<Vec<u8>> = files
        .map(|file| std::fs::read(file.expect("an entry").path()).expect("a readable file"))
        .collect();
    inputs.sort_by_key(|input| {
        input
            .first_chunk()
            .map(|height| u32::from_le_bytes(*height))
    });
    let (mut host, mut cache, mut reference) = (
        MemoryHost::default(),
        Forgetful::new(5_000),
        Indexer::default(),
    );
    for input in &inputs {
        let summary =
            index_both(input, &mut host, &mut cache, &mut reference).expect("a valid block");
        println!("{summary}");
    }
    println!("{} loads, {} hits", host.loads, cache.hits);
}
