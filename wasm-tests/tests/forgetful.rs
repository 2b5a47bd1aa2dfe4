//! Programs over a cache that loses entries by chance: one state, whatever is lost.
//!
//! `STEADFAST_SEEDS` says how many seeds are tried, where the tests' own number is too few.

use std::num::NonZeroU32;

use steadfast_host::{
    Digest, HeapTrace, Input, MemoryState, Output, RunConfig, Runner, state_digest,
};
use wasm_tests::{Guest, Setting, TARGETS, indexer, path};

const MIB: u64 = 1 << 20;

/// As many seeds as asked for, or else `few`.
fn seeds(few: u32) -> impl Iterator<Item = NonZeroU32> {
    let asked = std::env::var("STEADFAST_SEEDS").ok();
    let count = asked.map_or(few, |asked| asked.parse().expect("a number"));
    (1..=count).filter_map(NonZeroU32::new)
}

fn runner(module: &[u8]) -> Runner {
    let config = RunConfig {
        output: Output::Capture,
        ceiling: 512 * MIB,
        ..RunConfig::default()
    };
    Runner::new(module, config).unwrap()
}

fn guest(target: &str, name: &str) -> Runner {
    let path = path(target, name);
    let module = std::fs::read(&path);
    runner(&module.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

/// What a program leaves: the digest of its state, and that of its heap's addresses in each block,
/// where it keeps one.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    state: Digest,
    heap: Vec<Option<HeapTrace>>,
}

/// Runs blocks, each with the cache that the one before left.
fn run(runner: &Runner, blocks: &[Input], change: impl FnOnce(&mut RunConfig)) -> Left {
    let mut config = runner.config().clone();
    change(&mut config);
    let runner = runner.with_config(config).unwrap();
    let mut state = MemoryState::default();
    let mut image = None;
    let mut heap = Vec::new();
    for block in blocks {
        let finished = runner.start_warm(block, &state, image.as_ref()).unwrap();
        let left = finished.image();
        let report = finished.commit(&mut state).unwrap();
        image = left.ok();
        heap.push(report.heap_trace());
    }
    let state = state_digest(&state).unwrap();
    Left { state, heap }
}

/// Runs blocks under so many seeds, and expects what the first run leaves, in which nothing is
/// lost.
fn leaves_the_same(name: &str, runner: &Runner, blocks: &[Input], few: u32) {
    let expected = run(runner, blocks, |_| ());
    for seed in seeds(few) {
        let left = run(runner, blocks, |config| config.forget = Some(seed));
        assert_eq!(left, expected, "{name}, seed {seed}");
    }
}

fn small_blocks(count: u32) -> Vec<Input> {
    (1..=count).map(|height| Input::new(height, &[7])).collect()
}

/// Its value outgrows the region that the lower ceilings leave.
#[test]
fn a_program_that_ignores_what_insert_answers_stores_the_same_at_every_ceiling() {
    let runner = guest(TARGETS[1], "stale-insert");
    let blocks = small_blocks(12);
    let states = [128, 132, 136, 512].map(|ceiling| {
        let left = run(&runner, &blocks, |config| config.ceiling = ceiling * MIB);
        println!("{ceiling} MiB: {}", left.state);
        left
    });
    assert!(states.iter().all(|left| *left == states[0]));
}

#[test]
fn a_program_that_ignores_what_insert_answers_stores_the_same_whatever_is_lost() {
    let blocks = small_blocks(12);
    for target in TARGETS {
        let name = format!("stale-insert, {target}");
        leaves_the_same(&name, &guest(target, "stale-insert"), &blocks, 16);
    }
}

/// Neither of what it wrote after the last flush, nor of what the host gives back only later, does
/// the cache decide.
#[test]
fn a_program_that_reads_what_it_has_flushed_reads_the_same_whatever_is_lost() {
    let blocks = small_blocks(4);
    for target in TARGETS {
        let runner = guest(target, "read-back");
        let without = run(&runner, &blocks, |config| config.cache = Some(0));
        assert_eq!(
            run(&runner, &blocks, |_| ()).state,
            without.state,
            "{target}"
        );
        leaves_the_same(&format!("read-back, {target}"), &runner, &blocks, 8);
    }
}

#[test]
fn programs_on_the_metashrew_surface_store_the_same_whatever_is_lost() {
    let blocks = small_blocks(4);
    for target in TARGETS {
        let context = format!("metashrew-block, {target}");
        leaves_the_same(&context, &guest(target, "metashrew-block"), &blocks, 8);
        // This one asks what the cache holds, and its heap has copies of that.
        let runner = guest(target, "metashrew-cache");
        let expected = run(&runner, &blocks, |_| ()).state;
        for seed in seeds(8) {
            let left = run(&runner, &blocks, |config| config.forget = Some(seed));
            assert_eq!(
                left.state, expected,
                "metashrew-cache, {target}, seed {seed}"
            );
        }
    }
}

/// Its digest is of what it read and of where its copies stood.
#[test]
fn a_program_that_reads_through_the_cache_reads_the_same_whatever_is_lost() {
    for target in TARGETS {
        let guest = Guest::load(target, "cache");
        let read = |forget_seed| {
            let setting = Setting {
                forget_seed,
                ..Setting::default()
            };
            let outcome = guest.run(&setting).unwrap().finished(target);
            (outcome.results[0], outcome.results[2])
        };
        let (expected, hits) = read(0);
        for seed in seeds(16) {
            let (digest, fewer) = read(seed.get());
            assert_eq!(digest, expected, "{target}, seed {seed}");
            assert!(fewer < hits, "{target}, seed {seed} loses nothing");
        }
    }
}

#[test]
fn the_example_indexers_store_the_same_whatever_is_lost() {
    let block = bitcoin_test_data::blocks::mainnet_702861();
    // The next one spends nothing of the first, but writes over its keys.
    let blocks = [1, 2].map(|height| Input::new(height, block));
    for name in ["indexer_metashrew", "indexer-wasi"] {
        leaves_the_same(name, &runner(&indexer(name)), &blocks, 4);
    }
}
