//! Damaged input: the indexer refuses what the reference refuses, and flushes nothing then.

mod common;

use bitcoin_test_data::blocks::mainnet_702861;
use common::{MemoryHost, Tx, block, index_both, input};
use indexer::{Error, NoCache, index, view};
use steadfast_testkit::reference::Indexer;

fn small_block() -> Vec<u8> {
    let spend = |number, segwit, creates| Tx {
        spends: vec![([3; 32], number), ([4; 32], number)],
        creates,
        segwit,
        lock_time: 7,
    };
    block(&[
        Tx::coinbase(1, vec![(50, vec![0x51]), (0, vec![0x6A, 0x01])]),
        spend(0, true, vec![(20, vec![0x51]), (30, vec![0x52; 253])]),
        spend(1, false, vec![(40, vec![0x51; 23])]),
    ])
}

fn refusal(block: &[u8]) -> Error {
    index(&input(1, block), &mut MemoryHost::default(), &mut NoCache).expect_err("refused")
}

/// Indexes `block` both ways on a fresh state; true if both take it.
fn accepted(block: &[u8]) -> bool {
    let (mut host, mut reference) = (MemoryHost::default(), Indexer::default());
    index_both(&input(1, block), &mut host, &mut NoCache, &mut reference).is_some()
}

#[test]
fn every_truncation_of_a_small_block_is_refused() {
    let block = small_block();
    assert!(accepted(&block));
    for len in 0..block.len() {
        assert!(!accepted(&block[..len]), "cut to {len} bytes");
    }
}

#[test]
fn truncations_of_a_real_block_are_refused() {
    let block = mainnet_702861();
    let spread = (0..24).map(|step| block.len() / 24 * step + step);
    for len in spread.chain([79, 80, 81, 83, block.len() - 4, block.len() - 1]) {
        assert_eq!(
            std::mem::discriminant(&refusal(&block[..len])),
            std::mem::discriminant(&Error::Truncated { transaction: 0 }),
            "cut to {len} bytes"
        );
    }
}

#[test]
fn every_damaged_byte_has_the_same_outcome_in_the_reference() {
    let block = small_block();
    let (mut taken, mut refused) = (0, 0);
    for position in 0..block.len() {
        for flip in [
            0x01,
            0x02,
            0x80,
            0xFF,
            block[position],
            block[position] ^ 0xFD,
            !block[position],
        ] {
            let mut damaged = block.clone();
            damaged[position] ^= flip;
            if accepted(&damaged) {
                taken += 1;
            } else {
                refused += 1;
            }
        }
    }
    assert!(
        taken > 100 && refused > 100,
        "{taken} taken, {refused} refused"
    );
}

#[test]
fn refusals_name_their_reason() {
    let coinbase = Tx::coinbase(1, vec![(50, vec![0x51])]);
    let spend = Tx {
        spends: vec![([3; 32], 0)],
        creates: vec![(1, vec![0x51])],
        segwit: false,
        lock_time: 0,
    };
    let malformed_bytes = |bytes: &[u8]| {
        assert!(!accepted(bytes));
        match refusal(bytes) {
            Error::Malformed {
                transaction,
                reason,
            } => (transaction, reason),
            other => panic!("{other:?}"),
        }
    };
    let malformed = |transactions: &[Tx]| malformed_bytes(&block(transactions));
    let no_outputs = Tx {
        creates: Vec::new(),
        ..spend.clone()
    };
    // Without the marker, no input and one output would read as the marker and its flag.
    let no_inputs = Tx {
        spends: Vec::new(),
        segwit: true,
        ..spend.clone()
    };
    let segwit = Tx {
        segwit: true,
        ..spend.clone()
    };
    let mut no_witness = block(&[coinbase.clone(), segwit]);
    let lock_time = no_witness.len() - 4;
    no_witness.splice(lock_time - b"\x01\x07witness".len()..lock_time, [0]);
    let twice = [coinbase.clone(), spend.clone(), spend.clone()];
    let rich = |lock_time| Tx {
        creates: vec![(u64::MAX, vec![0x51])],
        lock_time,
        ..spend.clone()
    };
    assert_eq!(
        malformed(std::slice::from_ref(&spend)).1,
        "the first transaction is not a coinbase"
    );
    assert_eq!(
        malformed(&[coinbase.clone(), coinbase.clone()]),
        (1, "it spends the null outpoint and is not the first")
    );
    assert_eq!(
        malformed(&[coinbase.clone(), no_outputs]),
        (1, "it has no output")
    );
    assert_eq!(
        malformed(&[coinbase.clone(), no_inputs]),
        (1, "it has no input")
    );
    assert_eq!(
        malformed(&twice),
        (2, "it repeats an earlier one of the block")
    );
    assert_eq!(
        malformed(&[coinbase.clone(), rich(1)]),
        (1, "its amounts bring a balance above the limit of a u64")
    );
    assert_eq!(
        malformed_bytes(&no_witness),
        (1, "it has the segwit marker and no witness")
    );
    assert_eq!(refusal(&block(&[])), Error::NoTransactions);
    assert_eq!(refusal(&[]), Error::Truncated { transaction: 0 });
    assert_eq!(
        refusal(&[small_block(), vec![0; 3]].concat()),
        Error::TrailingBytes { len: 3 }
    );
    assert_eq!(
        index(&[1, 2, 3], &mut MemoryHost::default(), &mut NoCache),
        Err(Error::NoHeight { len: 3 })
    );
}

#[test]
fn a_damaged_state_is_refused_before_anything_is_flushed() {
    let first = block(&[Tx::coinbase(1, vec![(50, vec![0x51])])]);
    let mut host = MemoryHost::default();
    index(&input(1, &first), &mut host, &mut NoCache).expect("well-formed");
    let intact = host.store.clone();
    let output = intact
        .keys()
        .find(|key| key[0] == b'o')
        .expect("one output")
        .clone();
    let script = intact
        .keys()
        .find(|key| key[0] == b's')
        .expect("one script")
        .clone();
    let spends = vec![(
        output[1..33].try_into().expect("a txid"),
        u32::from_le_bytes(output[33..].try_into().expect("a number")),
    )];
    let spend = Tx {
        spends,
        creates: vec![(1, vec![0x52])],
        segwit: false,
        lock_time: 0,
    };
    let second = input(2, &block(&[Tx::coinbase(2, vec![(50, vec![0x53])]), spend]));
    let damages: [(&[u8], &[u8]); 4] = [
        (&output, &[50, 0, 0, 0]),
        (&script, &[0; 15]),
        (&script, &[49, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
        (&script, &[51, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]),
    ];
    for (key, value) in damages {
        let mut host = MemoryHost {
            store: intact.clone(),
            ..MemoryHost::default()
        };
        host.store.insert(key.to_vec(), value.to_vec());
        let error = index(&second, &mut host, &mut NoCache).expect_err("refused");
        assert!(matches!(error, Error::DamagedState { .. }), "{error:?}");
        assert_eq!(host.flushes, 0);
    }
    let mut host = MemoryHost {
        store: intact,
        ..MemoryHost::default()
    };
    index(&second, &mut host, &mut NoCache).expect("the intact state takes the block");
}

#[test]
fn a_view_refuses_a_wrong_argument() {
    let host = &mut MemoryHost::default();
    for len in [0, 35, 37] {
        let question = input(1, &vec![0; len]);
        assert_eq!(
            view::output(&question, host, &mut NoCache),
            Err(Error::NotAnOutpoint { len })
        );
    }
    assert_eq!(
        view::balance(&[0; 3], host, &mut NoCache),
        Err(Error::NoHeight { len: 3 })
    );
}
