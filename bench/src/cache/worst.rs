//! The most that any single operation costs.

mod by_size;

use anyhow::{Context as _, Result, anyhow};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use wasmtime::Engine;

use super::instance::{Instance, Op};
use super::race::NO_CEILING;
use super::subject::Subject;
use super::{Options, Row, script};
use crate::parallel;
use steadfast_testkit::cache::{chosen_key, colliding_keys};

pub use by_size::by_size;

/// The size of the cache.
const BYTES: u64 = 64 << 20;

/// How many entries are asked for: five times what fits.
const ENTRIES: u32 = 2_000_000;

/// Operations on each subject.
const OPERATIONS: usize = 10_000_000;

/// The largest value that a bound is promised for; larger ones are told apart.
const SMALL_VALUE: u32 = 256;

/// The most fuel for each kind of operation.
#[derive(Clone, Copy, Default)]
struct Worst {
    get: u64,
    insert: u64,
    insert_large: u64,
    remove: u64,
}

impl Worst {
    fn of(&mut self, op: Op) -> &mut u64 {
        match op {
            Op::Get => &mut self.get,
            Op::Remove => &mut self.remove,
            _ => &mut self.insert,
        }
    }

    fn note(&mut self, op: Op, fuel: u64) {
        let most = self.of(op);
        *most = fuel.max(*most);
    }

    fn most(&self) -> u64 {
        self.get.max(self.insert).max(self.remove)
    }

    fn report(&self, name: &str, row: &mut Row<'_>) {
        row.push(name, "max_fuel", self.most() as f64, "fuel");
        row.push(name, "max_fuel_get", self.get as f64, "fuel");
        row.push(name, "max_fuel_insert", self.insert as f64, "fuel");
        row.push(name, "max_fuel_remove", self.remove as f64, "fuel");
        if self.insert_large > 0 {
            row.push(name, "max_fuel_insert_4k", self.insert_large as f64, "fuel");
        }
    }
}

fn counting_engine() -> Result<Engine> {
    steadfast_host::engine::engine(true).map_err(|error| anyhow!("{error:?}"))
}

/// Three of eight `get`, four `insert`, one `remove`.
fn draw_op(random: &mut ChaCha8Rng) -> Op {
    match random.random_range(0..8) {
        0..3 => Op::Get,
        3..7 => Op::Insert,
        _ => Op::Remove,
    }
}

/// Single operations with random keys.
///
/// # Errors
/// When a guest fails.
pub fn random(options: &Options, subjects: &[&Subject], row: &mut Row<'_>) -> Result<()> {
    let engine = counting_engine()?;
    let worst = parallel::each(subjects, |subject| {
        let module = subject.compile(&engine, "")?;
        let mut instance = Instance::open(&module, subject.capacity(BYTES), NO_CEILING)?;
        at_random(&mut instance, options.scaled(OPERATIONS)).context(subject.name)
    })?;
    for (subject, worst) in subjects.iter().zip(worst) {
        worst.report(subject.name, row);
    }
    Ok(())
}

fn at_random(instance: &mut Instance, operations: usize) -> Result<Worst> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut worst = Worst::default();
    for _ in 0..operations {
        let number = random.random_range(0..ENTRIES);
        let op = draw_op(&mut random);
        let fuel = instance.fuel_of(op, number)?;
        if fuel <= *worst.of(op) {
            continue;
        }
        if op == Op::Insert && instance.value_bytes(number)? > SMALL_VALUE {
            worst.insert_large = fuel.max(worst.insert_large);
        } else {
            worst.note(op, fuel);
        }
    }
    Ok(worst)
}

/// The size of the cache that is attacked: small, or grinding would take long.
const ATTACKED_BYTES: u32 = 1 << 20;

/// More keys than the buckets that they share have slots.
const CHOSEN_KEYS: usize = 40;

/// Single operations in a full cache: first with keys of the same form that were not chosen, then
/// with keys that all collide in buckets and tag.
///
/// # Errors
/// When a guest fails, or no such keys are found.
pub fn chosen(options: &Options, subjects: &[&Subject], row: &mut Row<'_>) -> Result<()> {
    let engine = counting_engine()?;
    for subject in subjects.iter().filter(|subject| subject.is_ours()) {
        let module = subject.compile(&engine, "")?;
        let capacity = subject.capacity(ATTACKED_BYTES.into());
        // Of an attacker who knows the hash.
        let ground = colliding_keys(ATTACKED_BYTES, CHOSEN_KEYS).context("no keys collide")?;
        let others: Vec<_> = (0..ground.len() as u64).map(chosen_key).collect();
        let worst = parallel::each([others, ground], |keys| {
            let mut instance = Instance::open(&module, capacity, NO_CEILING)?;
            let fill: Vec<u32> = (0..20_000).collect();
            instance.run(Op::Insert, &fill)?;
            let operations = options.scaled(OPERATIONS);
            attack(&mut instance, &keys, operations).context(subject.name)
        })?;
        if let [others, chosen] = worst[..] {
            chosen.report(subject.name, row);
            let most = others.most() as f64;
            row.push(subject.name, "max_fuel_not_chosen", most, "fuel");
        }
    }
    Ok(())
}

/// Stores, looks up and drops these keys in an order that a generator chooses.
fn attack(instance: &mut Instance, keys: &[Vec<u8>], operations: usize) -> Result<Worst> {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut worst = Worst::default();
    for _ in 0..operations {
        let key = &keys[random.random_range(0..keys.len())];
        let op = match random.random_range(0..16) {
            0..6 => Op::Get,
            6..15 => Op::Insert,
            _ => Op::Remove,
        };
        let fuel = instance.fuel_of_script(&script::step(op, key, &[7; 96]))?;
        worst.note(op, fuel);
    }
    Ok(worst)
}
