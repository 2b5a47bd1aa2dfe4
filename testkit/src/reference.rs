//! The oracle of the example indexer: its own decoder of blocks and its own state, in the plainest
//! form.
//!
//! It shares no code with `examples/indexer`, only the format and the rules that the documentation
//! of that crate lays down, and it parses a block whole before it touches the state. What the two
//! disagree on, one of them has wrong.
//!
//! ```
//! use steadfast_testkit::reference::{Block, Indexer};
//!
//! let raw = bitcoin_test_data::blocks::mainnet_702861();
//! let block = Block::decode(raw)?;
//! assert_eq!(block.transactions.len(), 2500);
//!
//! let mut indexer = Indexer::default();
//! indexer.index(702_861, raw)?;
//! assert!(indexer.state.len() > 2500);
//! # Ok::<(), steadfast_testkit::reference::Refused>(())
//! ```

use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Why a block is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub &'static str);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}

/// A decoded block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The double SHA-256 of the 80 header bytes.
    pub hash: [u8; 32],
    /// The transactions, in order.
    pub transactions: Vec<Transaction>,
}

/// A decoded transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The double SHA-256 of the serialisation without witnesses.
    pub txid: [u8; 32],
    /// What the inputs spend: txid and output number.
    pub spends: Vec<([u8; 32], u32)>,
    /// What is created: amount in satoshi and script.
    pub creates: Vec<(u64, Vec<u8>)>,
}

/// How much a block holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Its transactions.
    pub transactions: usize,
    /// Their inputs, the coinbase's included.
    pub inputs: usize,
    /// Their outputs.
    pub outputs: usize,
}

impl Block {
    /// Decodes a whole serialised block.
    ///
    /// # Errors
    ///
    /// Bytes missing or left over, and encodings that consensus refuses.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let mut reader = Reader { rest: bytes };
        let hash = double_sha256(reader.take(80)?);
        let transactions = reader.list(Reader::transaction)?;
        if !reader.rest.is_empty() {
            return Err(Refused("bytes follow the last transaction"));
        }
        Ok(Self { hash, transactions })
    }

    /// How much the block holds.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            transactions: self.transactions.len(),
            inputs: self.transactions.iter().map(|tx| tx.spends.len()).sum(),
            outputs: self.transactions.iter().map(|tx| tx.creates.len()).sum(),
        }
    }

    fn check(&self) -> Result<(), Refused> {
        const NULL: ([u8; 32], u32) = ([0; 32], u32::MAX);
        let Some((coinbase, others)) = self.transactions.split_first() else {
            return Err(Refused("no transaction"));
        };
        if coinbase.spends != [NULL] {
            return Err(Refused("the first transaction is not a coinbase"));
        }
        if others.iter().any(|tx| tx.spends.contains(&NULL)) {
            return Err(Refused("a second coinbase"));
        }
        if self.transactions.iter().any(|tx| tx.spends.is_empty()) {
            return Err(Refused("a transaction without inputs"));
        }
        if self.transactions.iter().any(|tx| tx.creates.is_empty()) {
            return Err(Refused("a transaction without outputs"));
        }
        let mut seen = BTreeSet::new();
        for tx in &self.transactions {
            let stored = tx.creates.iter().any(|(_, script)| !unspendable(script));
            if !seen.insert(tx.txid) && stored {
                return Err(Refused("two equal transactions"));
            }
        }
        Ok(())
    }
}

/// The bytes that are still to be read.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Refused> {
        if len > self.rest.len() {
            return Err(Refused("bytes are missing"));
        }
        let (taken, rest) = self.rest.split_at(len);
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        Ok(self.take(N)?.try_into().expect("took N bytes"))
    }

    fn compact_size(&mut self) -> Result<u64, Refused> {
        let [first] = self.array()?;
        let (number, least) = match first {
            0xFD => (u64::from(u16::from_le_bytes(self.array()?)), 0xFD),
            0xFE => (u64::from(u32::from_le_bytes(self.array()?)), 0x1_0000),
            0xFF => (u64::from_le_bytes(self.array()?), 0x1_0000_0000),
            small => (u64::from(small), 0),
        };
        if number < least {
            return Err(Refused("a length is not in its shortest form"));
        }
        Ok(number)
    }

    fn list<T>(&mut self, item: fn(&mut Self) -> Result<T, Refused>) -> Result<Vec<T>, Refused> {
        let count = self.compact_size()?;
        // Every item takes at least one byte, so a count beyond the bytes left fails in bounded
        // time.
        (0..count).map(|_| item(self)).collect()
    }

    fn string(&mut self) -> Result<&'a [u8], Refused> {
        let len = self.compact_size()?;
        self.take(usize::try_from(len).unwrap_or(usize::MAX))
    }

    fn spend(&mut self) -> Result<([u8; 32], u32), Refused> {
        let txid = self.array()?;
        let number = u32::from_le_bytes(self.array()?);
        let _script = self.string()?;
        let _sequence: [u8; 4] = self.array()?;
        Ok((txid, number))
    }

    fn create(&mut self) -> Result<(u64, Vec<u8>), Refused> {
        let amount = u64::from_le_bytes(self.array()?);
        Ok((amount, self.string()?.to_vec()))
    }

    /// One input's witness: whether it holds anything.
    fn witness(&mut self) -> Result<bool, Refused> {
        let items = self.list(|reader| reader.string().map(drop))?;
        Ok(!items.is_empty())
    }

    fn transaction(&mut self) -> Result<Transaction, Refused> {
        let version = self.take(4)?;
        let has_witnesses = self.rest.first() == Some(&0);
        if has_witnesses && self.take(2)?[1] != 1 {
            return Err(Refused("an unknown flag after the segwit marker"));
        }
        let body = self.rest;
        let spends = self.list(Self::spend)?;
        let creates = self.list(Self::create)?;
        let body = &body[..body.len() - self.rest.len()];
        if has_witnesses {
            let mut any = false;
            for _ in &spends {
                any |= self.witness()?;
            }
            if !any {
                return Err(Refused("a segwit marker without a witness"));
            }
        }
        let lock_time = self.take(4)?;
        Ok(Transaction {
            txid: double_sha256(&[version, body, lock_time].concat()),
            spends,
            creates,
        })
    }
}

/// The state of the chain as far as it was indexed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexer {
    /// Keys and values, as the indexer stores them.
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Indexer {
    /// Indexes the serialised block at `height`.
    ///
    /// # Errors
    ///
    /// A malformed block; then the state is as it was.
    pub fn index(&mut self, height: u32, bytes: &[u8]) -> Result<Counts, Refused> {
        let block = Block::decode(bytes)?;
        block.check()?;
        let mut next = self.clone();
        for (position, tx) in block.transactions.iter().enumerate() {
            for (txid, number) in &tx.spends {
                next.spend(output_key(txid, *number));
            }
            for (number, (amount, script)) in (0..).zip(&tx.creates) {
                if unspendable(script) {
                    continue;
                }
                if position == 0 {
                    next.spend(output_key(&tx.txid, number));
                }
                next.create(output_key(&tx.txid, number), *amount, script)?;
            }
        }
        next.state.insert(
            [&b"h"[..], &height.to_be_bytes()].concat(),
            block.hash.to_vec(),
        );
        *self = next;
        Ok(block.counts())
    }

    /// The amount and the number of unspent outputs that `script` holds.
    #[must_use]
    pub fn balance(&self, script: &[u8]) -> (u64, u64) {
        self.state.get(&script_key(script)).map_or((0, 0), |value| {
            (read_u64(&value[..8]), read_u64(&value[8..]))
        })
    }

    fn spend(&mut self, key: Vec<u8>) {
        if let Some(output) = self.state.remove(&key) {
            let (amount, outputs) = self.balance(&output[8..]);
            self.set_balance(&output[8..], amount - read_u64(&output[..8]), outputs - 1);
        }
    }

    fn create(&mut self, key: Vec<u8>, amount: u64, script: &[u8]) -> Result<(), Refused> {
        let (held, outputs) = self.balance(script);
        let held = held
            .checked_add(amount)
            .ok_or(Refused("a balance overflows"))?;
        self.set_balance(script, held, outputs + 1);
        self.state
            .insert(key, [&amount.to_le_bytes(), script].concat());
        Ok(())
    }

    fn set_balance(&mut self, script: &[u8], amount: u64, outputs: u64) {
        if outputs == 0 {
            self.state.remove(&script_key(script));
        } else {
            let value = [amount.to_le_bytes(), outputs.to_le_bytes()].concat();
            self.state.insert(script_key(script), value);
        }
    }
}

fn output_key(txid: &[u8; 32], number: u32) -> Vec<u8> {
    [&b"o"[..], txid, &number.to_le_bytes()].concat()
}

fn script_key(script: &[u8]) -> Vec<u8> {
    [&b"s"[..], &Sha256::digest(script)].concat()
}

fn read_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

fn unspendable(script: &[u8]) -> bool {
    script.starts_with(&[0x6A]) || script.len() > 10_000
}

fn double_sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(Sha256::digest(bytes)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bitcoin_test_data::blocks::mainnet_702861;

    #[test]
    fn the_block_holds_what_others_count_in_it() {
        let block = Block::decode(mainnet_702861()).expect("a block of the main network");
        let counts = Counts {
            transactions: 2500,
            inputs: 6518,
            outputs: 6015,
        };
        assert_eq!(block.counts(), counts);
        let mut hash = block.hash;
        hash.reverse();
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hash,
            "000000000000000000000c835b2adcaedc20fdf6ee440009c249452c726dafae"
        );
    }

    #[test]
    fn the_identifiers_add_up_to_the_root_in_the_header() {
        let block = Block::decode(mainnet_702861()).expect("a block of the main network");
        let mut level: Vec<[u8; 32]> = block.transactions.iter().map(|tx| tx.txid).collect();
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| double_sha256(&[pair[0], *pair.last().expect("not empty")].concat()))
                .collect();
        }
        assert_eq!(level[0], mainnet_702861()[36..68]);
    }

    #[test]
    fn balances_add_up_to_the_outputs() {
        let mut indexer = Indexer::default();
        indexer
            .index(702_861, mainnet_702861())
            .expect("a block of the main network");
        let sums = |kind: u8| {
            let values = indexer.state.iter().filter(move |(key, _)| key[0] == kind);
            values
                .map(|(_, value)| u128::from(read_u64(&value[..8])))
                .sum::<u128>()
        };
        assert_eq!(sums(b'o'), sums(b's'));
        assert!(sums(b'o') > 0);
    }

    #[test]
    fn a_refused_block_changes_nothing() {
        let mut indexer = Indexer::default();
        let bytes = mainnet_702861();
        indexer
            .index(702_861, bytes)
            .expect("a block of the main network");
        let before = indexer.clone();
        assert!(indexer.index(702_862, &bytes[..bytes.len() - 1]).is_err());
        assert!(indexer.index(702_862, &[bytes, &[0]].concat()).is_err());
        assert_eq!(indexer, before);
    }
}
