//! An indexer as it is written for metashrew: which outputs are unspent, and how many of them each
//! script holds.
//!
//! Of steadfast it has the path of its imports and the one `plan!`. `docs/migrating.md` shows the
//! difference.
//!
//! | key | value |
//! |---|---|
//! | `/blockhash/byheight/`, height (`u32`, little-endian) | hash of the block (32 bytes) |
//! | `/outputs/byoutpoint/`, txid (32 bytes), output number (`u32`, little-endian) | output script; empty when it is spent |
//! | `/scripts/unspent/`, SHA-256 of an output script (32 bytes) | number of its unspent outputs (`u32`, little-endian) |

use std::ops::ControlFlow;
use std::sync::Arc;

use bitcoin_slices::{Visit, Visitor, bsl};
use sha2::{Digest, Sha256};
use steadfast::metashrew::{
    clear_view_cache, export_bytes, flush, flush_to_lru, get, initialize, input, set,
    set_view_for_height,
};

// Its entries have 60 bytes of key and value, as `steadfast size` tells.
steadfast::plan!(steadfast::Plan::METASHREW.with_expected_entry(60));

/// Indexes the host's block.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn _start() {
    initialize();
    let input = input();
    let (height, block) = split_height(&input);
    bsl::Block::visit(block, &mut Indexing::default()).expect("the host hands in a block");
    let hash = Sha256::digest(Sha256::digest(&block[..80]));
    set(
        key("/blockhash/byheight/", &height.to_le_bytes()),
        Arc::new(hash.to_vec()),
    );
    flush_to_lru();
    flush();
}

/// A view: the hash of the block at the height that follows the view's own.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn blockhash() -> i32 {
    view("/blockhash/byheight/", <[u8]>::to_vec)
}

/// A view: how many unspent outputs the script holds that follows the view's height.
#[unsafe(no_mangle)]
pub extern "C-unwind" fn unspent() -> i32 {
    view("/scripts/unspent/", |script| {
        Sha256::digest(script).to_vec()
    })
}

fn view(path: &str, rest: impl Fn(&[u8]) -> Vec<u8>) -> i32 {
    let input = input();
    let (height, argument) = split_height(&input);
    set_view_for_height(height);
    let value = get(key(path, &rest(argument)));
    clear_view_cache();
    export_bytes(value.to_vec())
}

fn split_height(input: &[u8]) -> (u32, &[u8]) {
    let (height, rest) = input
        .split_first_chunk()
        .expect("the host hands in a height");
    (u32::from_le_bytes(*height), rest)
}

fn key(path: &str, rest: &[u8]) -> Arc<Vec<u8>> {
    Arc::new([path.as_bytes(), rest].concat())
}

/// Counts an output of a script in, or out.
fn count(script: &[u8], change: impl Fn(u32) -> u32) {
    let key = key("/scripts/unspent/", &Sha256::digest(script));
    let counted = get(key.clone())
        .first_chunk()
        .map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let value = match change(counted) {
        0 => Vec::new(),
        number => number.to_le_bytes().to_vec(),
    };
    set(key, Arc::new(value));
}

/// Meets a transaction's inputs and outputs before the transaction itself.
#[derive(Default)]
struct Indexing {
    scripts: Vec<Vec<u8>>,
}

impl Visitor for Indexing {
    fn visit_tx_in(&mut self, _number: usize, tx_in: &bsl::TxIn<'_>) -> ControlFlow<()> {
        let key = key("/outputs/byoutpoint/", tx_in.prevout().as_ref());
        let script = get(key.clone());
        // An output from before the first block that was indexed is not known.
        if !script.is_empty() {
            count(&script, |unspent| unspent.saturating_sub(1));
            set(key, Arc::default());
        }
        ControlFlow::Continue(())
    }

    fn visit_tx_out(&mut self, _number: usize, tx_out: &bsl::TxOut<'_>) -> ControlFlow<()> {
        self.scripts.push(tx_out.script_pubkey().to_vec());
        ControlFlow::Continue(())
    }

    fn visit_transaction(&mut self, transaction: &bsl::Transaction<'_>) -> ControlFlow<()> {
        let (version, body, lock_time) = transaction.txid_preimage();
        let preimage = [version, body, lock_time].concat();
        let txid = Sha256::digest(Sha256::digest(preimage));
        for (number, script) in (0u32..).zip(self.scripts.drain(..)) {
            // What can never be spent is left out.
            if script.is_empty() || script[0] == 0x6A {
                continue;
            }
            count(&script, |unspent| unspent + 1);
            let outpoint = [&txid[..], &number.to_le_bytes()].concat();
            set(key("/outputs/byoutpoint/", &outpoint), Arc::new(script));
        }
        ControlFlow::Continue(())
    }
}
