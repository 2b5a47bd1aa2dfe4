//! Safe code is safe: programs without unsafe code, with arguments that nobody would give.
//!
//! A call may panic. What it may not do is read or write memory that is not its own: that shows
//! under Miri and AddressSanitizer, or as a crash.
#![cfg(not(target_family = "wasm"))]
#![forbid(unsafe_code)]

mod caller;
mod cases;
mod random;

use std::ops::Range;

use caller::Caller;
use random::Random;

/// Miri is slow: it gets a few short programs.
const PROGRAMS: u64 = if cfg!(miri) { 3 } else { 60 };
const CALLS: usize = if cfg!(miri) { 40 } else { 200 };

/// Programs drawn at random, each on a thread of its own: a thread is an instance. To run others,
/// name their seeds: `STEADFAST_SEEDS=1000..9000`.
#[test]
fn random_calls_in_random_order_do_no_harm() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        // The programs' threads have no name, and panic all the time.
        if std::thread::current().name().is_some() {
            tell(panic);
        }
    }));
    for seed in seeds() {
        let program = std::thread::spawn(move || Caller::new(Random::new(seed)).run(CALLS));
        let ran = program.join().expect("panics are caught");
        assert_eq!(ran, CALLS, "seed {seed}");
    }
}

fn seeds() -> Range<u64> {
    let Ok(named) = std::env::var("STEADFAST_SEEDS") else {
        return 0..PROGRAMS;
    };
    let range = named
        .split_once("..")
        .and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    range.expect("STEADFAST_SEEDS is a range, as 1000..9000")
}
