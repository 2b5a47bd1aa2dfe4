//! Programs on the metashrew surface: what the host grants changes their speed and nothing else.

use steadfast_host::{
    Finished, Input, MemoryState, Output, Pair, RunConfig, RunError, Runner, Snapshot, State,
    StateError, Tip, state_digest,
};
use wasm_tests::{TARGETS, path};

const MIB: u64 = 1 << 20;
const BUDGET: u64 = 128 * MIB;

/// An instance of this target may be started again.
const BARE: &str = "wasm32-unknown-unknown";

fn runner(target: &str, name: &str) -> Runner {
    let path = path(target, name);
    let module = std::fs::read(&path);
    let module = module
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()));
    let config = RunConfig {
        output: Output::Capture,
        ..RunConfig::default()
    };
    Runner::new(&module, config).unwrap()
}

fn with(runner: &Runner, change: impl FnOnce(&mut RunConfig)) -> Runner {
    let mut config = runner.config().clone();
    change(&mut config);
    runner.with_config(config).unwrap()
}

/// Everything that a host may grant, from the budget alone to all that there is.
fn grants(runner: &Runner) -> Vec<(String, Runner)> {
    let mut grants = Vec::new();
    for ceiling in [
        BUDGET,
        BUDGET + MIB,
        BUDGET + 3 * MIB,
        512 * MIB,
        4096 * MIB,
    ] {
        let granted = with(runner, |config| config.ceiling = ceiling);
        grants.push((format!("ceiling {ceiling}"), granted));
    }
    for cache in [0, 1, 5_000, 60_000, 1 << 20] {
        let granted = with(runner, |config| config.cache = Some(cache));
        grants.push((format!("cache {cache}"), granted));
    }
    let pregrown = with(runner, |config| {
        (config.ceiling, config.pregrow) = (4096 * MIB, Some(65_536))
    });
    grants.push(("pregrown".into(), pregrown));
    for nth in 2..5 {
        let granted = with(runner, |config| config.refuse_grow = Some(nth));
        grants.push((format!("refused call {nth}"), granted));
    }
    grants
}

fn block(height: u32, seed: u8) -> Input {
    Input::new(height, &[seed])
}

#[test]
fn a_program_cannot_tell_what_was_granted() {
    for target in TARGETS {
        let runner = runner(target, "metashrew-block");
        let mut expected = None;
        for (grant, runner) in grants(&runner) {
            let context = format!("{target}, {grant}");
            let mut state = MemoryState::default();
            let mut heap = Vec::new();
            for height in 1..4 {
                let report = runner.run_block(&block(height, 1), &mut state);
                let report = report.unwrap_or_else(|error| panic!("{context}: {error}"));
                heap.push(report.heap_trace().unwrap());
            }
            let result = (state_digest(&state).unwrap(), heap);
            assert_eq!(&result, expected.get_or_insert(result.clone()), "{context}");
        }
    }
}

/// A state that forgets what it is next given, as a host does that goes back to an earlier block.
struct Reorganising {
    state: MemoryState,
    forgets: bool,
}

impl State for Reorganising {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StateError> {
        self.state.snapshot()
    }

    fn write(&mut self, writes: &[Pair], tip: Option<Tip>) -> Result<(), StateError> {
        if std::mem::take(&mut self.forgets) {
            return Ok(());
        }
        self.state.write(writes, tip)
    }
}

/// Runs the blocks in one instance. Where a height is not above the last one, the host goes back to
/// the state before it. Returns the instance, and the state with the last block's writes.
fn live_on(runner: &Runner, blocks: &[Input]) -> (Finished, MemoryState) {
    // The state before each height.
    let mut states = vec![(blocks[0].height(), MemoryState::default())];
    let mut finished = runner.start(&blocks[0], &states[0].1).unwrap();
    for block in &blocks[1..] {
        let height = block.height();
        let goes_back = states.iter().any(|(before, _)| *before >= height);
        let mut state = Reorganising {
            state: states.last().unwrap().1.clone(),
            forgets: goes_back,
        };
        if goes_back {
            states.retain(|(before, _)| *before <= height);
            state.state = states.last().unwrap().1.clone();
        }
        finished = finished.next(block, &mut state).unwrap();
        if !goes_back {
            states.push((height, state.state));
        }
    }
    let mut state = states.pop().unwrap().1;
    state.apply(finished.outcome().as_ref().unwrap()).unwrap();
    (finished, state)
}

/// An instance that lives on, with its cache warm and its chain reorganised, comes to the state
/// that fresh instances come to.
#[test]
fn an_instance_that_lives_on_follows_reorganisations() {
    let first: Vec<Input> = (1..6).map(|height| block(height, 1)).collect();
    let fork: Vec<Input> = (3..8).map(|height| block(height, 2)).collect();
    let runner = runner(BARE, "metashrew-block");
    let mut fresh = MemoryState::default();
    for block in first[..2].iter().chain(&fork) {
        runner.run_block(block, &mut fresh).unwrap();
    }
    let expected = state_without_addresses(&fresh);
    let mut traces = Vec::new();
    for (grant, runner) in grants(&runner) {
        let blocks: Vec<Input> = first.iter().chain(&fork).cloned().collect();
        let (finished, state) = live_on(&runner, &blocks);
        assert_eq!(state_without_addresses(&state), expected, "{grant}");
        traces.push(finished.report().heap_trace().unwrap());
        let cache = finished.report().observed.as_ref().unwrap().cache;
        if grant.starts_with("ceiling 5") {
            assert!(cache.unwrap().hits > 10_000, "{cache:?}");
        }
    }
    assert!(traces.iter().all(|trace| *trace == traces[0]), "{traces:?}");
}

/// The digest that the program stores is made of addresses too, which an instance that has lived on
/// sees otherwise.
fn state_without_addresses(state: &MemoryState) -> steadfast_host::Digest {
    let mut state = state.clone();
    state.apply(&[(b"/digest".to_vec(), Vec::new())]).unwrap();
    state_digest(&state).unwrap()
}

#[test]
fn a_view_reads_at_its_height() {
    for target in TARGETS {
        let runner = runner(target, "metashrew-block");
        let mut state = MemoryState::default();
        runner.run_block(&block(1, 1), &mut state).unwrap();
        for number in 0..20 {
            let asked = Input::new(1, &[number]);
            let full = runner.view("balance", &asked, &state).unwrap();
            let none = with(&runner, |config| config.ceiling = BUDGET);
            assert_eq!(
                none.view("balance", &asked, &state).unwrap(),
                full,
                "{number}"
            );
        }
    }
}

#[test]
fn the_cache_functions_work_at_every_size() {
    for target in TARGETS {
        let runner = runner(target, "metashrew-cache");
        for (grant, runner) in grants(&runner) {
            let mut state = MemoryState::default();
            let report = runner.run_block(&block(1, 0), &mut state);
            let report = report.unwrap_or_else(|error| panic!("{target}, {grant}: {error}"));
            let bytes = report.observed.unwrap().cache_limit_bytes;
            let warned = report.output.contains("below its recommended minimum");
            assert_eq!(
                warned,
                bytes < 64 << 20,
                "{target}, {grant}: {}",
                report.output
            );
            assert!(report.output.contains("Detected feasible LRU cache size: "));
        }
    }
}

#[test]
fn the_example_of_detection_runs_at_every_size() {
    for target in TARGETS {
        let runner = runner(target, "lru-memory-detection");
        for (grant, runner) in grants(&runner) {
            let finished = runner.start(&block(1, 0), &MemoryState::default()).unwrap();
            // It indexes nothing, so it flushes nothing.
            let outcome = finished.outcome();
            assert!(
                matches!(outcome, Err(RunError::NoFlush)),
                "{target}, {grant}: {outcome:?}"
            );
            // What it prints is lost where there is no WASI.
            let output = &finished.report().output;
            assert!(
                target == BARE || output.ends_with("done\n"),
                "{target}, {grant}: {output}"
            );
        }
    }
}

/// What a program stores that asks whether large reservations work: the same at every ceiling. On
/// std's allocator it is not.
#[test]
fn large_reservations_work_or_fail_alike_at_every_ceiling() {
    for target in TARGETS {
        let outcomes = |name: &str| -> Vec<String> {
            let runner = runner(target, name);
            let ceilings = [BUDGET, 256 * MIB, 512 * MIB, 1024 * MIB, 4096 * MIB];
            let outcome = |ceiling: u64| {
                let mut state = MemoryState::default();
                let runner = with(&runner, |config| config.ceiling = ceiling);
                runner.run_block(&block(1, 0), &mut state).unwrap();
                let snapshot = state.snapshot().unwrap();
                let stored = snapshot.get(b"/outcome").unwrap().unwrap();
                let stored = String::from_utf8(stored).unwrap();
                println!("{target} {name} {} MiB {stored}", ceiling / MIB);
                stored
            };
            ceilings.map(outcome).to_vec()
        };
        let steadfast = outcomes("metashrew-divergence");
        assert_eq!(steadfast[0], "++------------------");
        assert!(steadfast.iter().all(|stored| *stored == steadfast[0]));
        let std = outcomes("metashrew-divergence-std");
        assert!(std.iter().any(|stored| *stored != std[0]), "{std:?}");
    }
}

/// What it holds at once is more than the whole budget of `Plan::DEFAULT`.
#[test]
fn nested_memories_fit_metashrew_s_plan() {
    const HELD: u64 = 4 * 43_554_432;
    for target in TARGETS {
        let runner = runner(target, "nested-memories");
        let budget = runner.guest().plan().unwrap().region_base().get();
        for ceiling in [budget, 4096 * MIB] {
            let runner = with(&runner, |config| config.ceiling = ceiling);
            let mut state = MemoryState::default();
            let report = runner.run_block(&block(1, 0), &mut state).unwrap();
            let peak = report.observed.unwrap().heap_use.unwrap().peak_bytes;
            assert!(u64::from(peak) >= HELD && HELD > BUDGET, "{target}: {peak}");
            let stored = state.snapshot().unwrap().get(b"/nested").unwrap();
            assert_eq!(stored.unwrap(), (HELD as u32).to_le_bytes(), "{target}");
        }
    }
}

/// A host writes a whole value, however short the buffer is: the module stops before it is asked.
#[test]
fn a_short_buffer_is_never_given_to_the_host() {
    let runner = runner(BARE, "short-load");
    let mut state = MemoryState::default();
    runner.run_block(&block(1, 0), &mut state).unwrap();
    let failed = runner.run_block(&block(2, 0), &mut state);
    let said = failed.expect_err("the module stops").to_string();
    assert!(said.contains("host_interface::halt"), "{said}");
}
