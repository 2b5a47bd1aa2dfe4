//! A block of transactions, parsed into vectors, and indexed by outpoint and script.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::ControlFlow;

use bitcoin_slices::{Visit as _, Visitor, bsl};

use super::raw::mix;

#[derive(Default)]
struct Transaction {
    id: [u8; 32],
    inputs: Vec<TxIn>,
    outputs: Vec<TxOut>,
}

struct TxIn {
    outpoint: [u8; 36],
    script: Vec<u8>,
    witness: Vec<Vec<u8>>,
}

struct TxOut {
    amount: u64,
    script: Vec<u8>,
}

/// The transactions so far, and the one at hand.
#[derive(Default)]
struct Parser {
    done: Vec<Transaction>,
    open: Transaction,
    spending: usize,
}

impl Visitor for Parser {
    fn visit_block_begin(&mut self, transactions: usize) {
        self.done = Vec::with_capacity(transactions);
    }

    fn visit_tx_ins(&mut self, inputs: usize) {
        self.open.inputs = Vec::with_capacity(inputs);
    }

    fn visit_tx_in(&mut self, _: usize, input: &bsl::TxIn<'_>) -> ControlFlow<()> {
        let mut outpoint = [0; 36];
        outpoint.copy_from_slice(input.prevout().as_ref());
        self.open.inputs.push(TxIn {
            outpoint,
            script: input.script_sig().to_vec(),
            witness: Vec::new(),
        });
        ControlFlow::Continue(())
    }

    fn visit_tx_outs(&mut self, outputs: usize) {
        self.open.outputs = Vec::with_capacity(outputs);
    }

    fn visit_tx_out(&mut self, _: usize, output: &bsl::TxOut<'_>) -> ControlFlow<()> {
        self.open.outputs.push(TxOut {
            amount: output.value(),
            script: output.script_pubkey().to_vec(),
        });
        ControlFlow::Continue(())
    }

    fn visit_witness(&mut self, input: usize) -> ControlFlow<()> {
        self.spending = input;
        ControlFlow::Continue(())
    }

    fn visit_witness_total_element(&mut self, elements: usize) {
        if let Some(input) = self.open.inputs.get_mut(self.spending) {
            input.witness = Vec::with_capacity(elements);
        }
    }

    fn visit_witness_element(&mut self, _: usize, element: &[u8]) {
        if let Some(input) = self.open.inputs.get_mut(self.spending) {
            input.witness.push(element.to_vec());
        }
    }

    fn visit_transaction(&mut self, transaction: &bsl::Transaction<'_>) -> ControlFlow<()> {
        let mut open = std::mem::take(&mut self.open);
        open.id = id_of(transaction.as_ref());
        self.done.push(open);
        ControlFlow::Continue(())
    }
}

/// Stands for the transaction's identifier, which would take a double SHA-256: most of the time,
/// and none of the allocator's.
fn id_of(bytes: &[u8]) -> [u8; 32] {
    let sum = bytes
        .chunks_exact(8)
        .fold(bytes.len() as u64, |sum, chunk| mix(sum, word(chunk)));
    let mut id = [0; 32];
    id[..8].copy_from_slice(&sum.to_le_bytes());
    id
}

fn word(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}

fn read(block: &[u8]) -> Vec<Transaction> {
    let mut parser = Parser::default();
    match bsl::Block::visit(block, &mut parser) {
        Ok(_) => parser.done,
        Err(_) => Vec::new(),
    }
}

/// Parses the block, and drops it.
pub fn parse(block: &[u8]) -> u64 {
    let transactions = read(block);
    transactions.iter().fold(0, |sum, transaction| {
        let scripts = transaction
            .inputs
            .iter()
            .map(|input| input.script.len() + input.witness.iter().map(Vec::len).sum::<usize>());
        let amounts = transaction.outputs.iter().map(|output| output.amount);
        let sum = scripts.fold(sum, |sum, len| mix(sum, len as u64));
        amounts.fold(sum, mix)
    })
}

/// Hashes keys by their words: quick, and the same in every run.
#[derive(Default)]
struct Words(u64);

impl Hasher for Words {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.0 = mix(self.0, word(chunk));
        }
        for &byte in chunks.remainder() {
            self.0 = mix(self.0, u64::from(byte));
        }
    }
}

fn key(prefix: &str, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(prefix.len() + rest.len());
    key.extend_from_slice(prefix.as_bytes());
    key.extend_from_slice(rest);
    key
}

/// Parses the block, and indexes it: outputs by outpoint, balances and histories by script; then
/// writes all of it into one buffer.
pub fn index(block: &[u8]) -> u64 {
    let mut outputs: HashMap<Vec<u8>, Vec<u8>, BuildHasherDefault<Words>> = HashMap::default();
    let mut balances: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    let mut histories: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
    for (at, transaction) in read(block).into_iter().enumerate() {
        for input in &transaction.inputs {
            outputs.insert(key("/spent/", &input.outpoint), Vec::new());
        }
        for (number, output) in transaction.outputs.into_iter().enumerate() {
            let mut outpoint = transaction.id.to_vec();
            outpoint.extend_from_slice(&(number as u32).to_le_bytes());
            *balances
                .entry(key("/balance/", &output.script))
                .or_default() += output.amount;
            histories
                .entry(key("/history/", &output.script))
                .or_default()
                .push(at as u32);
            outputs.insert(key("/output/", &outpoint), output.script);
        }
    }
    let mut flush = Vec::new();
    for (key, value) in &outputs {
        flush.extend_from_slice(key);
        flush.extend_from_slice(value);
    }
    for (key, amount) in &balances {
        flush.extend_from_slice(key);
        flush.extend_from_slice(&amount.to_le_bytes());
    }
    for (key, history) in &histories {
        flush.extend_from_slice(key);
        for at in history {
            flush.extend_from_slice(&at.to_le_bytes());
        }
    }
    flush
        .chunks_exact(8)
        .step_by(7)
        .fold(flush.len() as u64, |sum, chunk| mix(sum, word(chunk)))
}
