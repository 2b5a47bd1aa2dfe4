//! A long run of random operations on a heap: `heap-soak SEED OPERATIONS`.

use std::process::ExitCode;

use steadfast_testkit::heap::{Span, soak};

/// As an indexer's heap: sizes up to 100 kB in 16 MiB.
const PAGES: usize = 256;
const MAX_SIZE: usize = 100_000;

fn main() -> ExitCode {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<u64>());
    let (Some(Ok(seed)), Some(Ok(operations))) = (numbers.next(), numbers.next()) else {
        eprintln!("usage: heap-soak SEED OPERATIONS");
        return ExitCode::FAILURE;
    };
    let span = Span::dirty(PAGES, 0xa5);
    println!("{:?}", soak(span, seed, MAX_SIZE, operations));
    ExitCode::SUCCESS
}
