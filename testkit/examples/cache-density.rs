//! A steady mixed load on a full cache of 64 MiB: `cache-density INSERTS`. Tells now and then how
//! much of the region is keys and values, how much lies free between entries, and what was evicted
//! for each byte inserted.

use std::process::ExitCode;

use steadfast::cache::Cache;
use steadfast_testkit::cache::{Mix, Spec, region};

const CAPACITY: u32 = 64 << 20;

/// How many lines are printed.
const LINES: u64 = 10;

fn payload(cache: &Cache) -> u64 {
    let bytes = cache.iter().map(|(key, value)| key.len() + value.len());
    bytes.sum::<usize>() as u64
}

fn main() -> ExitCode {
    let inserts = std::env::args().nth(1).map(|word| word.parse::<u64>());
    let Some(Ok(inserts)) = inserts else {
        eprintln!("usage: cache-density INSERTS");
        return ExitCode::FAILURE;
    };
    let mut cache = Cache::new(region(&Spec::fresh(CAPACITY)));
    let mut mix = Mix::new(1);
    for line in 1..=LINES {
        let held = payload(&cache);
        let inserted: u64 = (0..inserts / LINES)
            .map(|_| mix.step(&mut cache) as u64)
            .sum();
        if let Err(fault) = cache.validate() {
            eprintln!("{fault}");
            return ExitCode::FAILURE;
        }
        let now = payload(&cache);
        let stats = cache.stats();
        let share = |bytes: u64| bytes as f64 / f64::from(CAPACITY);
        println!(
            "{:>12} inserts: {:.4} payload, {:.4} free between entries, {:.4} evicted for each byte, {} displaced, {} for a window",
            line * (inserts / LINES),
            share(now),
            share(stats.free_bytes.into()),
            (held + inserted - now) as f64 / inserted as f64,
            stats.displaced,
            stats.window_evictions
        );
    }
    ExitCode::SUCCESS
}
