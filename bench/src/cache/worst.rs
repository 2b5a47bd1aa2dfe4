//! The most that any single operation costs.

use anyhow::{Context as _, Result, anyhow};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::instance::{Instance, Op};
use super::subject::{Bound, Subject};
use super::{Options, Row, script};
use steadfast_ops::cache::{chosen_key, colliding_keys};

/// The size of the cache.
const BYTES: u64 = 64 << 20;

/// How many entries are asked for: five times what fits.
const ENTRIES: u32 = 2_000_000;

const NO_CEILING: u64 = 4 << 30;

/// Operations on each subject.
const OPERATIONS: usize = 10_000_000;

/// The largest value that a bound is promised for; larger ones are told apart.
const SMALL_VALUE: u32 = 256;

/// The most fuel for each kind of operation.
#[derive(Default)]
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

/// Single operations with random keys.
///
/// # Errors
/// When a guest fails.
pub fn random(options: &Options, subjects: &[&Subject], row: &mut Row<'_>) -> Result<()> {
    let engine = steadfast_host::engine::engine(true).map_err(|error| anyhow!("{error:?}"))?;
    for subject in subjects
        .iter()
        .filter(|subject| subject.bound != Bound::None)
    {
        let module = subject.compile(&engine, "")?;
        let mut instance = Instance::open(&module, subject.capacity(BYTES), NO_CEILING)?;
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut worst = Worst::default();
        for _ in 0..options.scaled(OPERATIONS) {
            let number = random.random_range(0..ENTRIES);
            let op = match random.random_range(0..8) {
                0..3 => Op::Get,
                3..7 => Op::Insert,
                _ => Op::Remove,
            };
            let fuel = instance.fuel_of(op, number).context(subject.name)?;
            if fuel <= *worst.of(op) {
                continue;
            }
            let is_large = op == Op::Insert && instance.value_bytes(number)? > SMALL_VALUE;
            let most = if is_large {
                &mut worst.insert_large
            } else {
                worst.of(op)
            };
            *most = fuel.max(*most);
        }
        worst.report(subject.name, row);
    }
    Ok(())
}

/// The size of the cache that is attacked: small, or grinding would take long.
const ATTACKED_BYTES: u32 = 1 << 20;

/// More keys than the buckets that they share have slots.
const CHOSEN_KEYS: usize = 40;

/// Single operations in a full cache: first with keys of the same form that were not chosen, then with keys that all collide in
/// buckets and tag.
///
/// # Errors
/// When a guest fails, or no such keys are found.
pub fn chosen(subjects: &[&Subject], row: &mut Row<'_>) -> Result<()> {
    let engine = steadfast_host::engine::engine(true).map_err(|error| anyhow!("{error:?}"))?;
    for subject in subjects.iter().filter(|subject| subject.is_ours()) {
        let module = subject.compile(&engine, "")?;
        let capacity = subject.capacity(ATTACKED_BYTES.into());
        let others: Vec<_> = (0..CHOSEN_KEYS as u64).map(chosen_key).collect();
        let colliding = colliding_keys(ATTACKED_BYTES, CHOSEN_KEYS).context("no keys collide")?;
        for (keys, is_chosen) in [(others, false), (colliding, true)] {
            let mut instance = Instance::open(&module, capacity, NO_CEILING)?;
            let fill: Vec<u32> = (0..20_000).collect();
            instance.run(Op::Insert, &fill)?;
            let worst = attack(&mut instance, &keys).context(subject.name)?;
            if is_chosen {
                worst.report(subject.name, row);
            } else {
                row.push(
                    subject.name,
                    "max_fuel_not_chosen",
                    worst.most() as f64,
                    "fuel",
                );
            }
        }
    }
    Ok(())
}

/// Stores, looks up and drops each key a few hundred times, in an order that a generator chooses.
fn attack(instance: &mut Instance, keys: &[Vec<u8>]) -> Result<Worst> {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut worst = Worst::default();
    for _ in 0..20_000 {
        let key = &keys[random.random_range(0..keys.len())];
        let op = match random.random_range(0..16) {
            0..6 => Op::Get,
            6..15 => Op::Insert,
            _ => Op::Remove,
        };
        let fuel = instance.fuel_of_script(&script::step(op, key, &[7; 96]))?;
        let most = worst.of(op);
        *most = fuel.max(*most);
    }
    Ok(worst)
}
