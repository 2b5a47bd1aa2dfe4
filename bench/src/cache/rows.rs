//! The rows with made entries.

use anyhow::{Context as _, Result, anyhow, ensure};

use super::fit;
use super::instance::{Instance, Op};
use super::numbers::Numbers;
use super::race::{self, NO_CEILING, Place, Runner, Work};
use super::subject::{Bound, Subject};
use super::{ENTRY_BYTES, Options, Row};
use crate::figures::Figures;
use crate::parallel;

/// Rounds of each row.
const ROUNDS: usize = 9;

/// Over how many entries Zipf's law chooses.
const ZIPF_ENTRIES: u32 = 2_000_000;

const MIB: u64 = 1 << 20;

fn rounds(op: Op, numbers: &mut Numbers, count: usize) -> Vec<Work> {
    let work = |_| Work {
        op,
        numbers: numbers.take(count),
    };
    (0..ROUNDS).map(work).collect()
}

/// Looks up what is there, one by one or several at a time, with so many bytes of keys and values
/// resident.
pub fn hit(
    options: &Options,
    subjects: &[&Subject],
    row: &mut Row<'_>,
    op: Op,
    bytes: u64,
) -> Result<()> {
    let entries = bytes / ENTRY_BYTES;
    let place = Place {
        capacity: &|subject| subject.capacity_for(entries),
        ceiling: NO_CEILING,
        plan: "",
    };
    let before = Work {
        op: Op::Insert,
        numbers: Numbers::Sequence(0).take(entries as usize),
    };
    let timed = rounds(
        op,
        &mut Numbers::uniform(entries as u32),
        options.scaled(125_000),
    );
    let mut runners = race::run(subjects, &place, &before, &timed, row)?;
    for runner in &mut runners {
        let absent = Numbers::Sequence(entries as u32).take(10_000);
        let found = runner.instance.run(Op::Get, &absent)?.hits;
        ensure!(
            found == 0,
            "{}: found {found} entries that were never stored",
            runner.subject.name
        );
    }
    density(&mut runners, row, Instance::linear_bytes)
}

/// Zipf's law over more than fits, with a cache that is told to take 64 MiB.
pub fn zipf(options: &Options, subjects: &[&Subject], row: &mut Row<'_>) -> Result<()> {
    let place = Place {
        capacity: &|subject| subject.capacity(64 * MIB),
        ceiling: NO_CEILING,
        plan: "",
    };
    let mut runners = zipf_in(options, subjects, &place, row)?;
    density(&mut runners, row, Instance::linear_bytes)
}

/// The same where 64 MiB of linear memory are all there is.
pub fn zipf_real(options: &Options, subjects: &[&Subject], row: &mut Row<'_>) -> Result<()> {
    let place = Place {
        capacity: &|subject| match subject.bound {
            Bound::Region => subject.capacity(64 * MIB - (320 << 10)),
            _ => subject.capacity(subject.fits_64m_kib << 10),
        },
        ceiling: 64 * MIB,
        plan: "-64m",
    };
    let mut runners = zipf_in(options, subjects, &place, row)?;
    density(&mut runners, row, |instance| Ok(instance.whole_bytes()))
}

fn zipf_in<'a>(
    options: &Options,
    subjects: &[&'a Subject],
    place: &Place<'_>,
    row: &mut Row<'_>,
) -> Result<Vec<Runner<'a>>> {
    let (before, timed) = zipf_work(options);
    race::run(subjects, place, &before, &timed, row)
}

fn zipf_work(options: &Options) -> (Work, Vec<Work>) {
    let mut numbers = Numbers::zipf(ZIPF_ENTRIES);
    // More entries than fit, as ten million lookups leave them, and then some more lookups.
    let mut warming = numbers.residue(10_000_000, 700_000);
    warming.extend(numbers.take(500_000));
    let before = Work {
        op: Op::GetOrInsert,
        numbers: warming,
    };
    let timed = rounds(Op::GetOrInsert, &mut numbers, options.scaled(125_000));
    (before, timed)
}

/// Prints the sizes with which the peers have the most hits in `zipf-real-64m`.
pub fn fit(options: &Options, subjects: &[&Subject]) -> Result<()> {
    let engine = steadfast_host::engine::engine(false).map_err(|error| anyhow!("{error:?}"))?;
    let (before, timed) = zipf_work(options);
    let peers = subjects.iter().filter(|subject| !subject.is_ours());
    let fits = parallel::each(peers, |subject| {
        let module = subject.compile(&engine, "")?;
        let kib = fit::best(60 << 10, 256, |kib| {
            let capacity = subject.capacity(kib << 10);
            let mut instance = Instance::open(&module, capacity, 64 * MIB)?;
            instance.run(before.op, &before.numbers)?;
            let mut hits = 0;
            for work in &timed {
                hits += instance.run(work.op, &work.numbers)?.hits;
            }
            Ok(hits)
        })?;
        Ok((subject.name, kib))
    })?;
    for (name, kib) in fits {
        println!("{name}: {kib} KiB");
    }
    Ok(())
}

/// Stores what is not there in a full cache of "64 MiB", and sees what that has grown to after 10
/// million times.
pub fn evict_and_creep(
    options: &Options,
    subjects: &[&Subject],
    figures: &mut Figures,
) -> Result<()> {
    let place = Place {
        capacity: &|subject| subject.capacity(64 * MIB),
        ceiling: NO_CEILING,
        plan: "",
    };
    let mut numbers = Numbers::Sequence(0);
    let before = Work {
        op: Op::Insert,
        numbers: numbers.take(600_000),
    };
    let timed = rounds(Op::Insert, &mut numbers, options.scaled(125_000));
    let mut evict = Row {
        name: "evict",
        figures,
    };
    let mut runners = race::run(subjects, &place, &before, &timed, &mut evict)?;
    density(&mut runners, &mut evict, Instance::linear_bytes)?;
    if !options.wants("creep") {
        return Ok(());
    }
    let done = 600_000 + ROUNDS * options.scaled(125_000);
    let rest = numbers.take(options.scaled(10_000_000).saturating_sub(done));
    parallel::each(&mut runners, |runner| {
        let ran = runner.instance.run(Op::Insert, &rest);
        ran.context(runner.subject.name)
    })?;
    let mut creep = Row {
        name: "creep",
        figures,
    };
    density(&mut runners, &mut creep, Instance::linear_bytes)
}

/// Looks at everything that the caches hold, and tells how much memory they take for it.
fn density(
    runners: &mut [Runner<'_>],
    row: &mut Row<'_>,
    linear_bytes: fn(&Instance) -> Result<u64>,
) -> Result<()> {
    for runner in runners {
        let name = runner.subject.name;
        let payload = runner.instance.payload(true).context(name)?;
        let bytes = linear_bytes(&runner.instance).context(name)?;
        row.push(
            name,
            "payload_per_linear",
            payload as f64 / bytes as f64,
            "",
        );
        row.push(name, "linear_bytes", bytes as f64, "B");
    }
    Ok(())
}
