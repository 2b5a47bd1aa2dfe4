//! A block replayed any number of times, each time with transactions of its own that spend what the
//! replay before left unspent.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::{ControlFlow, Range};

use anyhow::{Result, anyhow};
use bitcoin_slices::{Visit as _, Visitor, bsl};
use sha2::{Digest as _, Sha256};

const TXID_BYTES: usize = 32;

/// A transaction's identifier and the number of one of its outputs, as they stand in a block: 36
/// bytes.
type Outpoint = [u8; TXID_BYTES + 4];

/// The replays of one block. Each is a well-formed block with the shape of the first; proof of work
/// and signatures aside, as no indexer checks them.
///
/// An input that spends an output of its own block does so in every replay. Any other one spends
/// the oldest output that an earlier replay has left, so that the state stays about as large as a
/// block.
pub struct Replays {
    block: Vec<u8>,
    transactions: Vec<Transaction>,
    unspent: VecDeque<Outpoint>,
    count: u32,
}

/// Where things stand in the block.
#[derive(Debug, Default)]
struct Transaction {
    txid: [u8; TXID_BYTES],
    /// What the identifier is the digest of; the last four bytes are the lock time.
    preimage: Vec<Range<usize>>,
    /// The outpoints that the inputs spend.
    spends: Vec<usize>,
    outputs: u32,
}

impl Replays {
    /// The replays of a serialised block.
    ///
    /// # Errors
    /// When it is no block.
    pub fn new(block: &[u8]) -> Result<Self> {
        let mut reader = Reader {
            start: block.as_ptr().addr(),
            next: Transaction::default(),
            transactions: Vec::new(),
        };
        bsl::Block::visit(block, &mut reader).map_err(|error| anyhow!("not a block: {error:?}"))?;
        Ok(Replays {
            block: block.to_vec(),
            transactions: reader.transactions,
            unspent: VecDeque::new(),
            count: 0,
        })
    }

    /// The next replay. The first one differs from the block already.
    pub fn next_block(&mut self) -> Vec<u8> {
        self.count += 1;
        let mut block = self.block.clone();
        let mut txids = HashMap::new();
        let mut created: Vec<Outpoint> = Vec::new();
        let mut spent = HashSet::new();
        // The coinbase spends nothing.
        for (position, transaction) in self.transactions.iter().enumerate() {
            for &at in transaction.spends.iter().filter(|_| position > 0) {
                let outpoint = &mut block[at..at + size_of::<Outpoint>()];
                let known: Option<&[u8; TXID_BYTES]> = txids.get(&outpoint[..TXID_BYTES]);
                if let Some(txid) = known {
                    outpoint[..TXID_BYTES].copy_from_slice(txid);
                    spent.insert(outpoint.to_vec());
                } else if let Some(oldest) = self.unspent.pop_front() {
                    outpoint.copy_from_slice(&oldest);
                }
            }
            let lock_time = transaction.preimage.last().expect("it has a range").end - 4;
            block[lock_time..lock_time + 4].copy_from_slice(&self.count.to_le_bytes());
            let mut hasher = Sha256::new();
            for range in &transaction.preimage {
                hasher.update(&block[range.clone()]);
            }
            let txid: [u8; TXID_BYTES] = Sha256::digest(hasher.finalize()).into();
            txids.insert(&transaction.txid[..], txid);
            created.extend((0..transaction.outputs).map(|number| {
                let mut outpoint = [0; size_of::<Outpoint>()];
                outpoint[..TXID_BYTES].copy_from_slice(&txid);
                outpoint[TXID_BYTES..].copy_from_slice(&number.to_le_bytes());
                outpoint
            }));
        }
        let left = created
            .into_iter()
            .filter(|outpoint| !spent.contains(&outpoint[..]));
        self.unspent.extend(left);
        block
    }
}

/// Notes where a block's parts stand.
struct Reader {
    start: usize,
    next: Transaction,
    transactions: Vec<Transaction>,
}

impl Reader {
    fn offset(&self, part: &[u8]) -> usize {
        part.as_ptr().addr() - self.start
    }
}

impl Visitor for Reader {
    fn visit_tx_in(&mut self, _: usize, input: &bsl::TxIn) -> ControlFlow<()> {
        let at = self.offset(input.prevout().txid());
        self.next.spends.push(at);
        ControlFlow::Continue(())
    }

    fn visit_tx_outs(&mut self, outputs: usize) {
        self.next.outputs = outputs as u32;
    }

    fn visit_transaction(&mut self, transaction: &bsl::Transaction) -> ControlFlow<()> {
        let (version, body, lock_time) = transaction.txid_preimage();
        let parts = [version, body, lock_time].into_iter();
        let mut hasher = Sha256::new();
        for part in parts.filter(|part| !part.is_empty()) {
            hasher.update(part);
            let at = self.offset(part);
            self.next.preimage.push(at..at + part.len());
        }
        self.next.txid = Sha256::digest(hasher.finalize()).into();
        self.transactions.push(std::mem::take(&mut self.next));
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use steadfast_testkit::reference::{Block, Indexer};

    use super::Replays;
    use crate::inputs::mainnet_702861;

    #[test]
    fn every_replay_is_a_block_of_its_own_and_spends_what_is_there() {
        let original = Block::decode(mainnet_702861()).unwrap();
        let mut replays = Replays::new(mainnet_702861()).unwrap();
        let mut indexer = Indexer::default();
        let mut txids = BTreeSet::new();
        let mut sizes = Vec::new();
        for height in 0..5 {
            let bytes = replays.next_block();
            let block = Block::decode(&bytes).unwrap();
            assert_eq!(block.counts(), original.counts());
            for transaction in &block.transactions {
                assert!(txids.insert(transaction.txid), "{height}");
            }
            let within = |block: &Block| {
                let own: BTreeSet<_> = block.transactions.iter().map(|tx| tx.txid).collect();
                let spends = block.transactions.iter().flat_map(|tx| &tx.spends);
                spends.filter(|(txid, _)| own.contains(txid)).count()
            };
            assert_eq!(within(&block), within(&original));
            indexer.index(height, &bytes).unwrap();
            sizes.push(indexer.state.len());
        }
        assert!(within_a_tenth(sizes[1], sizes[4]), "{sizes:?}");
    }

    fn within_a_tenth(one: usize, other: usize) -> bool {
        one.abs_diff(other) * 10 < one
    }
}
