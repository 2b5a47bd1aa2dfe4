//! The outputs and spends of a real block, replayed: each replay spends what earlier ones created.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, ensure};
use steadfast_testkit::reference::{Block, Transaction};
use wasmtime::Module;

use super::instance::{Batch, Instance, Op};
use super::script::{self, ROOM};
use super::subject::Subject;
use super::{Options, Row, fit};
use crate::figures::median;
use crate::{inputs, parallel, schedule};

const REPLAYS: u32 = 20;

/// All of linear memory.
const CEILING: u64 = 2 << 20;

/// Below our region, in the module with the plan for 2 MiB.
const BELOW_REGION: u64 = 256 << 10;

/// Rounds, each in a fresh instance.
const ROUNDS: usize = 15;

/// What is done, in pieces that fit a guest's room.
struct Script {
    pieces: Vec<Vec<u8>>,
    operations: u64,
    lookups: u64,
}

fn blocks(files: &[PathBuf]) -> Result<Vec<Block>> {
    let inputs = inputs::read(files)?;
    let decode = |input| Block::decode(inputs::block(input));
    Ok(inputs.iter().map(decode).collect::<Result<_, _>>()?)
}

/// The output with this key and value.
struct Output {
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Script {
    fn of(blocks: &[Block]) -> Result<Self> {
        let mut script = Script {
            pieces: vec![Vec::new()],
            operations: 0,
            lookups: 0,
        };
        let mut history: Vec<Vec<Output>> = Vec::new();
        for replay in 0..REPLAYS {
            for block in blocks {
                script.replay(replay, block, &mut history)?;
            }
        }
        Ok(script)
    }

    fn replay(&mut self, replay: u32, block: &Block, history: &mut Vec<Vec<Output>>) -> Result<()> {
        let mut here: HashMap<([u8; 32], u32), usize> = HashMap::new();
        let mut created: Vec<Output> = Vec::new();
        for (number, transaction) in block.transactions.iter().enumerate() {
            // The coinbase spends nothing.
            let spends = if number == 0 {
                &[]
            } else {
                &transaction.spends[..]
            };
            for spend in spends {
                let cold;
                let output = match here.get(spend) {
                    Some(at) => &created[*at],
                    None => match earlier(spend, history) {
                        Some(output) => output,
                        None => {
                            cold = Output {
                                key: key(&spend.0, spend.1, u32::MAX),
                                value: vec![0x51; 33],
                            };
                            &cold
                        }
                    },
                };
                self.lookups += 1;
                self.push(Op::GetOrInsert, &output.key, &output.value)?;
            }
            for (vout, output) in outputs(replay, transaction) {
                self.push(Op::Insert, &output.key, &output.value)?;
                here.insert((transaction.txid, vout), created.len());
                created.push(output);
            }
        }
        history.push(created);
        Ok(())
    }

    fn push(&mut self, op: Op, key: &[u8], value: &[u8]) -> Result<()> {
        // Scripts of the largest size are rare, and cut: a guest's room is not for them.
        let step = script::step(op, key, &value[..value.len().min(10_000)]);
        if self
            .pieces
            .last()
            .is_none_or(|piece| piece.len() + step.len() > ROOM)
        {
            self.pieces.push(Vec::new());
        }
        let piece = self.pieces.last_mut().context("a script has a piece")?;
        piece.extend(step);
        self.operations += 1;
        Ok(())
    }

    fn run(&self, instance: &mut Instance) -> Result<Batch> {
        let mut sum = Batch::default();
        for piece in &self.pieces {
            let batch = instance.run_script(piece)?;
            sum.hits += batch.hits;
            sum.ns += batch.ns;
        }
        Ok(sum)
    }
}

/// An output's key: a path, the transaction with the replay's number mixed in, the output's number.
fn key(txid: &[u8; 32], vout: u32, replay: u32) -> Vec<u8> {
    let mut txid = *txid;
    for (byte, mixed) in txid.iter_mut().zip(replay.to_le_bytes()) {
        *byte ^= mixed;
    }
    [b"/utxo/", &txid[..], &vout.to_le_bytes()].concat()
}

/// A transaction's outputs: amount and script under the outpoint.
fn outputs(replay: u32, transaction: &Transaction) -> impl Iterator<Item = (u32, Output)> {
    (0..)
        .zip(&transaction.creates)
        .map(move |(vout, (amount, script))| {
            let output = Output {
                key: key(&transaction.txid, vout, replay),
                value: [&amount.to_le_bytes(), &script[..]].concat(),
            };
            (vout, output)
        })
}

/// The output of an earlier replay that a spend from outside of its block is linked to: as many
/// replays back as blocks are that outputs wait to be spent, half of them one, a third of the
/// others two, and so on. None from before the first.
fn earlier<'a>(spend: &([u8; 32], u32), history: &'a [Vec<Output>]) -> Option<&'a Output> {
    let (txid, vout) = spend;
    let draw = u64::from_le_bytes(txid.first_chunk().copied()?).wrapping_add((*vout).into());
    let spread = draw
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(history.len() as u64);
    let share = spread.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40;
    // The chance to reach back more than `n` replays is 1 / (n + 1).
    let back = (1 << 24) / (share + 1);
    let outputs = history
        .len()
        .checked_sub(back as usize)
        .map(|at| &history[at])?;
    outputs.get((spread >> 32) as usize % outputs.len())
}

/// Replays the block in 2 MiB of linear memory, everything included.
///
/// # Errors
/// When a guest fails, or the block is none.
pub fn linked(options: &Options, subjects: &[&Subject], row: &mut Row<'_>) -> Result<()> {
    let script = Script::of(&blocks(&options.input)?)?;
    let engine = |fuel| steadfast_host::engine::engine(fuel).map_err(|error| anyhow!("{error:?}"));
    let (timed, counted) = (engine(false)?, engine(true)?);
    let mut runners = parallel::each(subjects.to_vec(), |subject| {
        Runner::fit(subject, subject.compile(&timed, "-2m")?, &script).context(subject.name)
    })?;
    for round in 0..ROUNDS {
        for at in schedule::of_round(round, runners.len()) {
            runners[at].time(&script)?;
        }
    }
    let peers = runners.iter().filter(|runner| !runner.subject.is_ours());
    let best = peers
        .min_by(|a, b| middle(&a.ns).total_cmp(&middle(&b.ns)))
        .map(|best| best.ns.clone());
    for mut runner in runners {
        let name = runner.subject.name;
        let module = runner.subject.compile(&counted, "-2m")?;
        let mut instance = Instance::open(&module, runner.subject.capacity(runner.bytes), CEILING)?;
        let full = instance.fuel_left()?;
        let hits = script.run(&mut instance)?.hits;
        ensure!(hits == runner.hits, "{name}: another run has other hits");
        let used = full - instance.fuel_left()?;
        let payload = instance.payload(false)? as f64;
        let bytes = instance.whole_bytes() as f64;
        row.push(name, "ns", middle(&runner.ns), "ns");
        row.push(name, "fuel", used as f64 / script.operations as f64, "fuel");
        if let Some(best) = &best {
            runner
                .ns
                .iter_mut()
                .zip(best)
                .for_each(|(ns, best)| *ns /= best);
            row.push(name, "ratio_to_best_peer", middle(&runner.ns), "");
        }
        row.push(name, "hit_ratio", hits as f64 / script.lookups as f64, "");
        row.push(name, "payload_per_linear", payload / bytes, "");
        row.push(name, "linear_bytes", bytes, "B");
    }
    Ok(())
}

fn middle(ns: &[f64]) -> f64 {
    median(&mut ns.to_vec())
}

struct Runner<'a> {
    subject: &'a Subject,
    module: Module,
    /// The size that it is told.
    bytes: u64,
    ns: Vec<f64>,
    hits: u64,
}

impl<'a> Runner<'a> {
    /// Finds the size with the most hits in the memory that there is.
    fn fit(subject: &'a Subject, module: Module, script: &Script) -> Result<Self> {
        let bytes = if subject.is_ours() {
            CEILING - BELOW_REGION
        } else {
            fit::best(CEILING, 8 << 10, |bytes| {
                let capacity = subject.capacity(bytes);
                let mut instance = Instance::open(&module, capacity, CEILING)?;
                Ok(script.run(&mut instance)?.hits)
            })?
        };
        Ok(Self {
            subject,
            module,
            bytes,
            ns: Vec::new(),
            hits: 0,
        })
    }

    fn time(&mut self, script: &Script) -> Result<()> {
        let capacity = self.subject.capacity(self.bytes);
        let mut instance = Instance::open(&self.module, capacity, CEILING)?;
        let batch = script.run(&mut instance)?;
        self.ns.push(batch.ns / script.operations as f64);
        self.hits = batch.hits;
        Ok(())
    }
}
