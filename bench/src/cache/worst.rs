//! The most that any single operation costs.

use anyhow::{Context as _, Result, anyhow};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::instance::{Instance, Op};
use super::subject::{Bound, Subject};
use super::{Options, Row};

/// The size of the cache.
const BYTES: u64 = 64 << 20;

/// How many entries are asked for: five times what fits.
const ENTRIES: u32 = 2_000_000;

const NO_CEILING: u64 = 4 << 30;

/// Operations on each subject.
const OPERATIONS: usize = 10_000_000;

/// The largest value that a bound is promised for; larger ones are told apart.
const SMALL_VALUE: usize = 256;

/// The most fuel for each kind of operation.
#[derive(Default)]
struct Worst {
    get: u64,
    insert: u64,
    insert_large: u64,
    remove: u64,
}

impl Worst {
    fn take(&mut self, op: Op, number: u32, fuel: u64) {
        let worst = match op {
            Op::Get => &mut self.get,
            Op::Remove => &mut self.remove,
            _ if is_large(number) => &mut self.insert_large,
            _ => &mut self.insert,
        };
        *worst = fuel.max(*worst);
    }

    fn report(&self, name: &str, row: &mut Row<'_>) {
        let most = self.get.max(self.insert).max(self.remove);
        row.push(name, "max_fuel", most as f64, "fuel");
        row.push(name, "max_fuel_get", self.get as f64, "fuel");
        row.push(name, "max_fuel_insert", self.insert as f64, "fuel");
        row.push(name, "max_fuel_remove", self.remove as f64, "fuel");
        row.push(name, "max_fuel_insert_4k", self.insert_large as f64, "fuel");
    }
}

/// Single operations with random keys.
///
/// # Errors
/// When a guest fails.
pub fn random(options: &Options, subjects: &[&Subject], row: &mut Row<'_>) -> Result<()> {
    let engine = steadfast_host::engine::engine(true).map_err(|error| anyhow!("{error:?}"))?;
    for subject in subjects.iter().filter(|subject| subject.bound != Bound::None) {
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
            let (fuel, _) = instance.fuel_of(op, number).context(subject.name)?;
            worst.take(op, number, fuel);
        }
        worst.report(subject.name, row);
    }
    Ok(())
}
