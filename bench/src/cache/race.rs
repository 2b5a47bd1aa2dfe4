//! Several caches at the same work, taking turns.

use anyhow::{Context as _, Result, anyhow, ensure};
use wasmtime::Engine;

use super::Row;
use super::instance::{Batch, Capacity, Instance, Op};
use super::model::Model;
use super::subject::Subject;
use crate::figures::median;
use crate::{parallel, schedule};

/// The most bytes that a module can have: all that it can address.
pub const NO_CEILING: u64 = 4 << 30;

/// One thing done with many numbers.
pub struct Work {
    /// What is done.
    pub op: Op,
    /// The numbers.
    pub numbers: Vec<u32>,
}

/// Where a cache stands.
pub struct Place<'a> {
    /// How large it is told to be.
    pub capacity: &'a (dyn Fn(&Subject) -> Capacity + Sync),
    /// The most bytes of linear memory.
    pub ceiling: u64,
    /// The suffix of that one of our modules whose plan fits.
    pub plan: &'static str,
}

/// One subject.
pub struct Runner<'a> {
    /// Who it is.
    pub subject: &'a Subject,
    /// Its cache.
    pub instance: Instance,
    /// Entries that it was told of.
    entries: u32,
    ns: Vec<f64>,
    fuel: f64,
    hits: u64,
}

/// Lets every subject do the work before, and then take turns at the rounds; fills in `ns`,
/// `ratio_to_best_peer`, `fuel` and, where something is looked up, `hit_ratio`.
///
/// # Errors
/// When a guest fails, or answers what it must not.
pub fn run<'a>(
    subjects: &[&'a Subject],
    place: &Place<'_>,
    before: &Work,
    rounds: &[Work],
    row: &mut Row<'_>,
) -> Result<Vec<Runner<'a>>> {
    let timed = engine(false)?;
    let mut runners = parallel::each(subjects, |subject| {
        Runner::start(subject, &timed, place, before).context(subject.name)
    })?;
    for (round, work) in rounds.iter().enumerate() {
        for at in schedule::of_round(round, runners.len()) {
            let name = runners[at].subject.name;
            runners[at].time(work).with_context(|| name.to_owned())?;
        }
    }
    let counted = engine(true)?;
    let fuel = parallel::each(subjects, |subject| {
        fuel(subject, &counted, place, before, &rounds[0])
    })?;
    for (runner, fuel) in runners.iter_mut().zip(fuel) {
        runner.fuel = fuel;
    }
    check(&runners, place, before, rounds)?;
    report(&runners, rounds, row);
    Ok(runners)
}

fn engine(fuel: bool) -> Result<Engine> {
    steadfast_host::engine::engine(fuel).map_err(|error| anyhow!("{error:?}"))
}

impl<'a> Runner<'a> {
    fn start(
        subject: &'a Subject,
        engine: &Engine,
        place: &Place<'_>,
        before: &Work,
    ) -> Result<Self> {
        let module = subject.compile(engine, place.plan)?;
        let capacity = (place.capacity)(subject);
        let mut instance = Instance::open(&module, capacity, place.ceiling)?;
        instance.run(before.op, &before.numbers)?;
        Ok(Self {
            subject,
            instance,
            entries: capacity.entries,
            ns: Vec::new(),
            fuel: 0.0,
            hits: 0,
        })
    }

    fn time(&mut self, work: &Work) -> Result<()> {
        let Batch { hits, ns } = self.instance.run(work.op, &work.numbers)?;
        self.hits += hits;
        self.ns.push(ns / work.numbers.len() as f64);
        Ok(())
    }

    /// Its time, in the middle of all rounds.
    fn middle(&self) -> f64 {
        median(&mut self.ns.clone())
    }
}

/// The fuel of each operation of a round.
fn fuel(
    subject: &Subject,
    engine: &Engine,
    place: &Place<'_>,
    before: &Work,
    work: &Work,
) -> Result<f64> {
    let mut runner = Runner::start(subject, engine, place, before)?;
    let full = runner.instance.fuel_left()?;
    runner.instance.run(work.op, &work.numbers)?;
    let used = full - runner.instance.fuel_left()?;
    Ok(used as f64 / work.numbers.len() as f64)
}

/// Holds the hits against a model where there is one, and against our own counters.
fn check(runners: &[Runner<'_>], place: &Place<'_>, before: &Work, rounds: &[Work]) -> Result<()> {
    for runner in runners {
        let name = runner.subject.name;
        // Where memory is short, a cache may hold fewer entries than it was told.
        let model = Model::of(runner.subject, runner.entries);
        if let Some(mut model) = model.filter(|_| place.ceiling == NO_CEILING) {
            model.run(before.op, &before.numbers);
            let expected: u64 = rounds
                .iter()
                .map(|work| model.run(work.op, &work.numbers))
                .sum();
            let hits = runner.hits;
            ensure!(
                hits == expected,
                "{name}: {hits} hits, strict LRU has {expected}"
            );
        }
        if let Some(region) = runner.instance.region()? {
            ensure!(region.faults == 0, "{name}: the region was found damaged");
            ensure!(
                region.stats.hits >= runner.hits,
                "{name}: its header counts too few hits"
            );
        }
    }
    Ok(())
}

fn report(runners: &[Runner<'_>], rounds: &[Work], row: &mut Row<'_>) {
    let best = runners
        .iter()
        .filter(|runner| !runner.subject.is_ours())
        .min_by(|a, b| a.middle().total_cmp(&b.middle()));
    let looks_up = rounds[0].op != Op::Insert;
    let total: usize = rounds.iter().map(|work| work.numbers.len()).sum();
    for runner in runners {
        let name = runner.subject.name;
        row.push(name, "ns", runner.middle(), "ns");
        row.push(name, "fuel", runner.fuel, "fuel");
        if let Some(best) = best {
            let pairs = runner.ns.iter().zip(&best.ns);
            let mut ratios: Vec<f64> = pairs.map(|(ns, best)| ns / best).collect();
            row.push(name, "ratio_to_best_peer", median(&mut ratios), "");
        }
        if looks_up {
            row.push(name, "hit_ratio", runner.hits as f64 / total as f64, "");
        }
    }
}
