//! Drives caches of many sizes beside the oracle for as many operations as are asked for:
//! `cache-soak OPERATIONS SEED`.
//!
//! Prints the number of operations done after each round, and stops at the first difference.

use std::process::ExitCode;
use std::time::Instant;

use steadfast_testkit::cache::{Checks, Script, Spec, noise, run_once};

/// Operations on one cache.
const ROUND: u64 = 4_000_000;

/// The caches' sizes in bytes, one after the other.
const CAPACITIES: [u32; 6] = [3_400, 20_008, 100_000, 500_016, 1 << 20, 4 << 20];

/// The plans' expected entries in bytes.
const EXPECTED_ENTRIES: [u32; 3] = [137, 30, 1024];

const CHECKS: Checks = Checks {
    validate_every: 49_999,
    compare_every: 24_989,
};

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(operations)), Some(Ok(seed)), None) =
        (numbers.next(), numbers.next(), numbers.next())
    else {
        eprintln!("usage: cache-soak OPERATIONS SEED");
        return ExitCode::FAILURE;
    };
    let began = Instant::now();
    let mut done = 0;
    for round in 0.. {
        if done >= operations {
            break;
        }
        let at = round as usize;
        let spec = Spec {
            expected_entry: EXPECTED_ENTRIES[at % EXPECTED_ENTRIES.len()],
            ..Spec::fresh(CAPACITIES[at % CAPACITIES.len()])
        };
        let mut script = Script::new(noise(seed.wrapping_add(round)), spec.capacity as usize / 8);
        let wanted = ROUND.min(operations - done);
        match run_once(&spec, &mut script, wanted, CHECKS) {
            Ok(summary) => {
                done += summary.steps;
                let stats = summary.stats;
                println!(
                    "{done} operations in {:.0} s; round {round}: {} B, {} hits, {} inserts, {} evicted, {} displaced, {} for a window, digest {:016x}",
                    began.elapsed().as_secs_f64(),
                    spec.capacity,
                    stats.hits,
                    stats.inserts,
                    stats.evictions,
                    stats.displaced,
                    stats.window_evictions,
                    summary.digest
                );
            }
            Err(mismatch) => {
                eprintln!(
                    "round {round}, {spec:?}, seed {}: {mismatch}",
                    seed.wrapping_add(round)
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!("{done} operations, no difference");
    ExitCode::SUCCESS
}
