//! The environment variable `STEADFAST_FORGET` makes a native cache lose entries, and a value that
//! is no number stops the program with the reason.
#![cfg(not(any(target_family = "wasm", miri)))]

use std::env;
use std::ffi::OsStr;
use std::process::{Command, Output};

const VARIABLE: &str = "STEADFAST_FORGET";
const STORE: &str = "stores_and_reads";

/// Runs [`stores_and_reads`] in a process with this seed.
fn run_with(seed: &OsStr) -> Output {
    let program = env::current_exe().expect("a test has a file");
    Command::new(program)
        .args(["--exact", STORE, "--nocapture"])
        .env(VARIABLE, seed)
        .output()
        .expect("the test runs once more")
}

/// Prints how many of a hundred entries are lost. What the other tests run in a process of its own.
#[test]
fn stores_and_reads() {
    let mut cache = steadfast::open_cache().expect("this thread's own");
    let lost = (0..100_u8).filter(|key| {
        cache.insert(&[*key], &[*key; 40]).expect("it fits");
        let held = cache.get(&[*key]);
        assert!(held.is_none_or(|held| held == [*key; 40]));
        held.is_none()
    });
    println!("lost {}", lost.count());
}

#[test]
fn a_seed_loses_entries_and_zero_loses_none() {
    for (seed, loses) in [("0", false), ("7", true), ("4294967295", true)] {
        let output = run_with(seed.as_ref());
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{seed}: {text}");
        assert_eq!(!text.contains("lost 0"), loses, "{seed}: {text}");
    }
}

#[test]
fn a_seed_that_is_no_number_is_named() {
    for seed in ["", "-1", "forget", "1.5", " 7", "4294967296"] {
        let output = run_with(seed.as_ref());
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{seed:?}");
        let message =
            format!("STEADFAST_FORGET is {seed:?}; it must be a number from 0 to 4294967295");
        assert!(text.contains(&message), "{seed:?}: {text}");
    }
}
