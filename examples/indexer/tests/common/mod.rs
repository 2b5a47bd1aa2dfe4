//! What the indexer's tests share: a store, a forgetful cache, and made-up blocks.
#![allow(dead_code, reason = "each test uses a part")]

use indexer::{Cache, Host, Key, Summary, index};
use std::collections::BTreeMap;
use steadfast::cache::HashedKey;
use steadfast_testkit::reference::Indexer;

/// A store in memory that counts its readers.
#[derive(Default)]
pub struct MemoryHost {
    pub store: BTreeMap<Vec<u8>, Vec<u8>>,
    pub loads: usize,
    pub flushes: usize,
}

impl Host for MemoryHost {
    fn read(&mut self, key: &[u8]) -> Vec<u8> {
        let value = self.store.get(key).cloned();
        self.loads += usize::from(value.is_some());
        value.unwrap_or_default()
    }

    fn flush<'a>(&mut self, pairs: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone) {
        self.flushes += 1;
        for (key, value) in pairs {
            if value.is_empty() {
                self.store.remove(key);
            } else {
                self.store.insert(key.to_vec(), value.to_vec());
            }
        }
    }
}

/// A cache that holds at most `limit` entries and forgets all of them when it is full.
pub struct Forgetful {
    entries: BTreeMap<Vec<u8>, Vec<u8>>,
    limit: usize,
    pub hits: usize,
}

impl Forgetful {
    pub fn new(limit: usize) -> Self {
        Self {
            entries: BTreeMap::new(),
            limit,
            hits: 0,
        }
    }
}

impl Cache for Forgetful {
    fn get(&mut self, key: &HashedKey<Key>) -> Option<&[u8]> {
        let value = self.entries.get(key.bytes())?;
        self.hits += 1;
        Some(value)
    }

    fn insert(&mut self, key: &HashedKey<Key>, value: &[u8]) {
        if self.entries.len() >= self.limit {
            self.entries.clear();
        }
        if self.limit > 0 {
            self.entries.insert(key.bytes().to_vec(), value.to_vec());
        }
    }

    fn remove(&mut self, key: &HashedKey<Key>) {
        self.entries.remove(key.bytes());
    }
}

pub fn input(height: u32, block: &[u8]) -> Vec<u8> {
    [&height.to_le_bytes(), block].concat()
}

/// Indexes a block with the indexer and with the reference, and compares what comes out of them.
///
/// Returns nothing when both refuse the block.
pub fn index_both(
    input: &[u8],
    host: &mut MemoryHost,
    cache: &mut impl Cache,
    reference: &mut Indexer,
) -> Option<Summary> {
    let (height, block) = input.split_first_chunk().expect("a height in front");
    let expected = reference.index(u32::from_le_bytes(*height), block);
    let flushes = host.flushes;
    let got = index(input, host, cache);
    match (&got, &expected) {
        (Ok(summary), Ok(counts)) => {
            assert_eq!(summary.transactions, counts.transactions);
            assert_eq!(summary.inputs, counts.inputs);
            assert_eq!(summary.outputs, counts.outputs);
            assert_eq!(host.flushes, flushes + 1);
        }
        (Err(error), Err(_)) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(host.flushes, flushes, "{error}");
        }
        _ => panic!("the indexer says {got:?}, the reference {expected:?}"),
    }
    assert!(
        host.store == reference.state,
        "the states differ after {expected:?}"
    );
    got.ok()
}

/// A transaction to be serialised.
#[derive(Clone, Debug)]
pub struct Tx {
    pub spends: Vec<([u8; 32], u32)>,
    pub creates: Vec<(u64, Vec<u8>)>,
    pub segwit: bool,
    /// What makes it unlike others with the same inputs and outputs.
    pub lock_time: u32,
}

impl Tx {
    pub fn coinbase(lock_time: u32, creates: Vec<(u64, Vec<u8>)>) -> Self {
        Self {
            spends: vec![([0; 32], u32::MAX)],
            creates,
            segwit: false,
            lock_time,
        }
    }

    pub fn serialise(&self) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0];
        if self.segwit {
            bytes.extend([0, 1]);
        }
        push_compact_size(&mut bytes, self.spends.len());
        for (txid, number) in &self.spends {
            bytes.extend(txid);
            bytes.extend(number.to_le_bytes());
            push_string(&mut bytes, b"sig");
            bytes.extend([0xFE, 0xFF, 0xFF, 0xFF]);
        }
        push_compact_size(&mut bytes, self.creates.len());
        for (amount, script) in &self.creates {
            bytes.extend(amount.to_le_bytes());
            push_string(&mut bytes, script);
        }
        if self.segwit {
            for index in 0..self.spends.len() {
                push_compact_size(&mut bytes, (index + 1) % 3);
                for _ in 0..(index + 1) % 3 {
                    push_string(&mut bytes, b"witness");
                }
            }
        }
        bytes.extend(self.lock_time.to_le_bytes());
        bytes
    }
}

pub fn block(transactions: &[Tx]) -> Vec<u8> {
    let mut bytes = vec![0x5A; 80];
    push_compact_size(&mut bytes, transactions.len());
    for tx in transactions {
        bytes.extend(tx.serialise());
    }
    bytes
}

fn push_string(bytes: &mut Vec<u8>, string: &[u8]) {
    push_compact_size(bytes, string.len());
    bytes.extend(string);
}

fn push_compact_size(bytes: &mut Vec<u8>, number: usize) {
    match number {
        0..=0xFC => bytes.push(number as u8),
        0xFD..=0xFFFF => {
            bytes.push(0xFD);
            bytes.extend((number as u16).to_le_bytes());
        }
        _ => {
            bytes.push(0xFE);
            bytes.extend((number as u32).to_le_bytes());
        }
    }
}
