//! One block, from its bytes to the flush.

use crate::key::{Key, OUTPOINT_BYTES};
use crate::state::State;
use crate::{Balance, Cache, Error, Host};
use alloc::vec::Vec;
use bitcoin_slices::bsl;
use bitcoin_slices::{Visit, Visitor};
use core::fmt;
use core::ops::ControlFlow;
use sha2::{Digest, Sha256};
use steadfast::cache::HashedKey;

/// What the input of a coinbase spends.
const NULL_OUTPOINT: [u8; OUTPOINT_BYTES] = {
    let mut outpoint = [0; OUTPOINT_BYTES];
    let [.., a, b, c, d] = &mut outpoint;
    (*a, *b, *c, *d) = (0xFF, 0xFF, 0xFF, 0xFF);
    outpoint
};

/// What one block held and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// The block's height.
    pub height: u32,
    /// Its transactions.
    pub transactions: usize,
    /// Their inputs.
    pub inputs: usize,
    /// Their outputs.
    pub outputs: usize,
    /// The outputs that can never be spent, and were left out.
    pub unspendable: usize,
    /// The inputs that spend an output unknown to the state, the coinbase's own left aside.
    pub unknown: usize,
    /// The keys written, deletions included.
    pub writes: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "indexed height={} transactions={} inputs={} outputs={} unspendable={} unknown={} writes={}",
            self.height,
            self.transactions,
            self.inputs,
            self.outputs,
            self.unspendable,
            self.unknown,
            self.writes
        )
    }
}

/// Indexes the block in `input`: its height as a little-endian `u32`, then its serialisation.
///
/// Flushes once, at the end; the cache then holds what was flushed as far as it has room.
///
/// # Errors
///
/// A malformed block, or a state that contradicts it. Then nothing was flushed.
pub fn index(input: &[u8], host: &mut impl Host, cache: &mut impl Cache) -> Result<Summary, Error> {
    let (height, block) = split_height(input)?;
    let mut indexing = Indexing {
        state: State::new(host, cache, block.len()),
        summary: Summary {
            height,
            ..Summary::default()
        },
        inputs: 0,
        outputs: Vec::new(),
        refusal: None,
    };
    let rest = match bsl::Block::visit(block, &mut indexing) {
        Ok(parsed) => parsed.remaining(),
        Err(error) => return Err(indexing.refused(&error)),
    };
    if !rest.is_empty() {
        return Err(Error::TrailingBytes { len: rest.len() });
    }
    let Indexing {
        mut state,
        mut summary,
        ..
    } = indexing;
    if summary.transactions == 0 {
        return Err(Error::NoTransactions);
    }
    let header = &block[..80];
    state.write(Key::height(height), double_sha256(&[header]).to_vec());
    summary.writes = state.commit();
    Ok(summary)
}

/// The height in front of every input, and what follows it.
pub fn split_height(input: &[u8]) -> Result<(u32, &[u8]), Error> {
    match input.split_first_chunk() {
        Some((height, rest)) => Ok((u32::from_le_bytes(*height), rest)),
        None => Err(Error::NoHeight { len: input.len() }),
    }
}

/// The visitor of a block: spends as it meets inputs, creates once a transaction's identifier is
/// known.
struct Indexing<'a, H, C> {
    state: State<'a, H, C>,
    summary: Summary,
    /// The inputs of the transaction at hand, met so far.
    inputs: usize,
    /// The outputs of the transaction at hand, as they would be stored.
    outputs: Vec<Vec<u8>>,
    refusal: Option<Error>,
}

impl<H: Host, C: Cache> Indexing<'_, H, C> {
    fn spend_input(&mut self, outpoint: &[u8; OUTPOINT_BYTES]) -> Result<(), Error> {
        self.inputs += 1;
        let in_coinbase = self.summary.transactions == 0;
        match (in_coinbase, *outpoint == NULL_OUTPOINT) {
            (true, true) if self.inputs == 1 => Ok(()),
            (true, _) => Err(self.malformed("the first transaction is not a coinbase")),
            (false, true) => {
                Err(self.malformed("it spends the null outpoint and is not the first"))
            }
            (false, false) => {
                if !self.spend(Key::output(outpoint))? {
                    self.summary.unknown += 1;
                }
                Ok(())
            }
        }
    }

    /// Deletes the output at `key` and takes it off its script's balance; false if the state does
    /// not know it.
    fn spend(&mut self, key: HashedKey<Key>) -> Result<bool, Error> {
        let output = self.state.take(key);
        if output.is_empty() {
            return Ok(false);
        }
        let Some((amount, script)) = output.split_first_chunk() else {
            return Err(Error::DamagedState {
                what: "an output is shorter than its amount",
            });
        };
        self.state.update(Key::script(script), |held| {
            let balance = Balance::decode(held)?;
            let Some(left) = balance.debited(u64::from_le_bytes(*amount)) else {
                return Err(Error::DamagedState {
                    what: "a script holds less than one of its outputs",
                });
            };
            Ok(left.encode())
        })?;
        Ok(true)
    }

    fn create_outputs(&mut self, txid: &[u8; 32]) -> Result<(), Error> {
        if self.inputs == 0 {
            return Err(self.malformed("it has no input"));
        }
        let outputs = core::mem::take(&mut self.outputs);
        if outputs.is_empty() {
            return Err(self.malformed("it has no output"));
        }
        self.summary.inputs += self.inputs;
        self.summary.outputs += outputs.len();
        for (number, output) in outputs.into_iter().enumerate() {
            self.create(txid, number as u32, output)?;
        }
        self.summary.transactions += 1;
        self.inputs = 0;
        Ok(())
    }

    fn create(&mut self, txid: &[u8; 32], number: u32, output: Vec<u8>) -> Result<(), Error> {
        let (amount, script) = output
            .split_first_chunk()
            .expect("visit_tx_out puts the amount first");
        if is_unspendable(script) {
            self.summary.unspendable += 1;
            return Ok(());
        }
        let mut outpoint = [0; OUTPOINT_BYTES];
        outpoint[..32].copy_from_slice(txid);
        outpoint[32..].copy_from_slice(&number.to_le_bytes());
        let key = Key::output(&outpoint);
        let (amount, script) = (u64::from_le_bytes(*amount), Key::script(script));
        let in_coinbase = self.summary.transactions == 0;
        if in_coinbase {
            self.spend(key)?;
            self.state.write(key, output);
        } else if !self.state.create(key, output) {
            return Err(self.malformed("it repeats an earlier one of the block"));
        }
        let too_much = self.malformed("its amounts bring a balance above the limit of a u64");
        self.state.update(script, |held| {
            let balance = Balance::decode(held)?.credited(amount);
            balance.map(Balance::encode).ok_or(too_much)
        })
    }

    fn malformed(&self, reason: &'static str) -> Error {
        Error::Malformed {
            transaction: self.summary.transactions,
            reason,
        }
    }

    /// Why the parser stopped with `error`.
    fn refused(self, error: &bitcoin_slices::Error) -> Error {
        use bitcoin_slices::Error as Parse;
        let reason = match error {
            Parse::VisitBreak => {
                return self
                    .refusal
                    .expect("the visitor breaks off with a refusal alone");
            }
            Parse::MoreBytesNeeded => {
                return Error::Truncated {
                    transaction: self.summary.transactions,
                };
            }
            Parse::UnknownSegwitFlag(_) => {
                "it has no input, or an unknown flag after the segwit marker"
            }
            Parse::SegwitFlagWithoutWitnesses => "it has the segwit marker and no witness",
            Parse::NonMinimalVarInt => "a length is not in its shortest form",
            Parse::TransactionTooLarge => "it exceeds 4 GiB",
            Parse::Other(_) => "it cannot be parsed",
        };
        self.malformed(reason)
    }

    fn go_on(&mut self, result: Result<(), Error>) -> ControlFlow<()> {
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(refusal) => {
                self.refusal = Some(refusal);
                ControlFlow::Break(())
            }
        }
    }
}

impl<H: Host, C: Cache> Visitor for Indexing<'_, H, C> {
    fn visit_tx_in(&mut self, _vin: usize, tx_in: &bsl::TxIn<'_>) -> ControlFlow<()> {
        let outpoint = tx_in.prevout();
        let outpoint = outpoint
            .as_ref()
            .try_into()
            .expect("an outpoint is 36 bytes");
        let result = self.spend_input(outpoint);
        self.go_on(result)
    }

    fn visit_tx_out(&mut self, _vout: usize, tx_out: &bsl::TxOut<'_>) -> ControlFlow<()> {
        let script = tx_out.script_pubkey();
        let mut output = Vec::with_capacity(8 + script.len());
        output.extend_from_slice(&tx_out.value().to_le_bytes());
        output.extend_from_slice(script);
        self.outputs.push(output);
        ControlFlow::Continue(())
    }

    fn visit_transaction(&mut self, tx: &bsl::Transaction<'_>) -> ControlFlow<()> {
        let (version, body, lock_time) = tx.txid_preimage();
        let result = self.create_outputs(&double_sha256(&[version, body, lock_time]));
        self.go_on(result)
    }
}

/// Whether no transaction can ever spend an output with this script.
fn is_unspendable(script: &[u8]) -> bool {
    const OP_RETURN: u8 = 0x6A;
    const MAX_SCRIPT_BYTES: usize = 10_000;
    script.first() == Some(&OP_RETURN) || script.len() > MAX_SCRIPT_BYTES
}

fn double_sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Sha256::digest(hasher.finalize()).into()
}
