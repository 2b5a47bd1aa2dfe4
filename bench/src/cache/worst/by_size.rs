//! The same by the bytes of the value.

use anyhow::{Context as _, Result};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::instance::{Instance, Op};
use super::super::race::NO_CEILING;
use super::super::script;
use super::super::subject::Subject;
use super::super::{Options, Row};
use super::{ATTACKED_BYTES, BYTES, CHOSEN_KEYS, OPERATIONS, Worst, counting_engine, draw_op};
use crate::figures::Figures;
use crate::parallel;
use steadfast_testkit::cache::{chosen_key, colliding_keys};

/// Values of one size.
struct Class {
    row: &'static str,
    row_chosen: &'static str,
    bytes: usize,
    /// How many of a thousand are of this size.
    share: u32,
}

const fn class(row: &'static str, row_chosen: &'static str, bytes: usize, share: u32) -> Class {
    Class {
        row,
        row_chosen,
        bytes,
        share,
    }
}

const CLASSES: [Class; 6] = [
    class("worst-8", "worst-chosen-8", 8, 300),
    class("worst-64", "worst-chosen-64", 64, 300),
    class("worst-256", "worst-chosen-256", 256, 250),
    class("worst-1k", "worst-chosen-1k", 1 << 10, 100),
    class("worst-4k", "worst-chosen-4k", 4 << 10, 45),
    class("worst-64k", "worst-chosen-64k", 64 << 10, 5),
];

/// The mean bytes of a key and its value.
const MEAN_BYTES: u64 = 753;

/// How many entries are asked for: about five times what fits.
const ENTRIES: u64 = 440_000;

type BySize = [Worst; CLASSES.len()];

/// Which class the draw of one of a thousand means.
fn class_of(mut draw: u32) -> usize {
    let is_within = |class: &Class| {
        let within = draw < class.share;
        draw = draw.saturating_sub(class.share);
        within
    };
    CLASSES.iter().position(is_within).unwrap_or(0)
}

/// Where values come from: so that two of one size differ.
struct Values(Vec<u8>);

impl Values {
    fn new() -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(5);
        Values((0..128 << 10).map(|_| random.random()).collect())
    }

    fn get(&self, number: u64, class: usize) -> &[u8] {
        &self.0[(number % (64 << 10)) as usize..][..CLASSES[class].bytes]
    }
}

/// Random keys in a cache of 64 MiB; and keys that all collide, between random ones, in one of 1
/// MiB: ours alone.
///
/// # Errors
/// When a guest fails, or no colliding keys are found.
pub fn by_size(options: &Options, subjects: &[&Subject], figures: &mut Figures) -> Result<()> {
    let engine = counting_engine()?;
    let operations = options.scaled(OPERATIONS);
    let values = Values::new();
    let worst = parallel::each(subjects, |subject| {
        let module = subject.compile(&engine, "")?;
        let capacity = subject.capacity_of(BYTES, MEAN_BYTES);
        let mut instance = Instance::open(&module, capacity, NO_CEILING)?;
        at_random(&mut instance, &values, operations).context(subject.name)
    })?;
    report(figures, subjects, &worst, |class| class.row);
    let ours: Vec<_> = subjects
        .iter()
        .copied()
        .filter(|subject| subject.is_ours())
        .collect();
    let worst = parallel::each(&ours, |subject| {
        let keys = colliding_keys(ATTACKED_BYTES, CHOSEN_KEYS).context("no keys collide")?;
        let module = subject.compile(&engine, "")?;
        let capacity = subject.capacity(ATTACKED_BYTES.into());
        let mut instance = Instance::open(&module, capacity, NO_CEILING)?;
        attack(&mut instance, &values, &keys, operations).context(subject.name)
    })?;
    report(figures, &ours, &worst, |class| class.row_chosen);
    Ok(())
}

fn report(
    figures: &mut Figures,
    subjects: &[&Subject],
    worst: &[BySize],
    row: fn(&Class) -> &'static str,
) {
    for (at, class) in CLASSES.iter().enumerate() {
        let mut row = Row {
            name: row(class),
            figures,
        };
        for (subject, worst) in subjects.iter().zip(worst) {
            worst[at].report(subject.name, &mut row);
        }
    }
}

fn at_random(instance: &mut Instance, values: &Values, operations: usize) -> Result<BySize> {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut worst = BySize::default();
    for _ in 0..operations {
        let number = random.random_range(0..ENTRIES);
        let class = class_of((number % 1000) as u32);
        let op = draw_op(&mut random);
        let step = script::step(op, &chosen_key(number), values.get(number, class));
        worst[class].note(op, instance.fuel_of_script(&step)?);
    }
    // Walks through all that it holds, ours with its own check.
    instance.payload(false)?;
    Ok(worst)
}

/// Every other operation is on one of these keys; the others, which are not counted, keep the cache
/// full.
fn attack(
    instance: &mut Instance,
    values: &Values,
    keys: &[Vec<u8>],
    operations: usize,
) -> Result<BySize> {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let mut worst = BySize::default();
    // Of which size each key's value is, if it has one.
    let mut classes = [0; CHOSEN_KEYS];
    for _ in 0..operations {
        // No such number is tried for a key that collides.
        let other = random.random_range(0..ENTRIES) | 1 << 40;
        let class = class_of((other % 1000) as u32);
        let filling = script::step(Op::Insert, &chosen_key(other), values.get(other, class));
        instance.run_script(&filling)?;
        let number = random.random_range(0..keys.len());
        let op = draw_op(&mut random);
        if op == Op::Insert {
            classes[number] = class_of(random.random_range(0..1000));
        }
        let class = classes[number];
        let step = script::step(op, &keys[number], values.get(number as u64, class));
        worst[class].note(op, instance.fuel_of_script(&step)?);
    }
    instance.payload(false)?;
    Ok(worst)
}
