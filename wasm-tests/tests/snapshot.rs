//! Modules made of a snapshot, as Wizer takes it after the allocator was used: they start right, on hosts of any size, cold and warm.

use std::fs;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use steadfast::RegionOutcome;
use steadfast::region::{Cold, Start};
use steadfast_host::{
    Digest, Finished, HeapTrace, Input, LoadError, MemoryState, Output, RegionImage, RunConfig,
    Runner, state_digest,
};
use wasm_tests::path;
use wasmtime::{Engine, Extern, Instance, Linker, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

const MIB: u64 = 1 << 20;
/// Bytes of the default plan: the heap's budget, and with it the largest region.
const BUDGET: u64 = 128 * MIB;
const WHOLE: u64 = BUDGET + 1024 * MIB;

/// The functions after which snapshots are taken: one leaves the region to later instances, one does not.
const HEAP: &str = "prepare_heap";
const REGION: &str = "prepare_whole";

/// The module as it is built.
fn built() -> Vec<u8> {
    let path = path("wasm32-unknown-unknown", "metashrew-snapshot");
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()))
}

/// The instance of which a snapshot is taken.
struct Prepared {
    store: Store<()>,
    instance: Instance,
}

impl Prepared {
    fn export(&mut self, name: &str) -> Extern {
        let export = self.instance.get_export(&mut self.store, name);
        export.unwrap_or_else(|| panic!("`{name}` is exported"))
    }
}

impl InstanceState for Prepared {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let global = self.export(name).into_global().unwrap();
        match global.get(&mut self.store) {
            Val::I32(value) => SnapshotVal::I32(value),
            Val::I64(value) => SnapshotVal::I64(value),
            other => panic!("{other:?}"),
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        let memory = self.export(name).into_memory().unwrap();
        contents(memory.data(&self.store));
    }
}

/// A module that begins where an instance of `module` stands after `prepare`.
fn snapshot(module: &[u8], prepare: &str) -> Vec<u8> {
    let mut wizer = Wizer::new();
    wizer.init_func(prepare);
    let (context, instrumented) = wizer.instrument(module).unwrap();
    let engine = Engine::default();
    let module = Module::new(&engine, instrumented).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&module).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let prepare = instance.get_typed_func::<(), ()>(&mut store, prepare);
    prepare.unwrap().call(&mut store, ()).unwrap();
    let mut prepared = Prepared { store, instance };
    let taken = pin!(wizer.snapshot(&context, &mut prepared));
    match taken.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(taken) => taken.unwrap(),
        Poll::Pending => unreachable!("nothing is waited for"),
    }
}

fn runner(module: &[u8], ceiling: u64) -> Result<Runner, LoadError> {
    let config = RunConfig {
        ceiling,
        output: Output::Discard,
        ..RunConfig::default()
    };
    Runner::new(module, config)
}

fn start_of(finished: &Finished) -> Start {
    Start::from_code(finished.record().unwrap().cache_start).expect("it opened its cache")
}

/// What came of a few blocks.
#[derive(Debug, PartialEq)]
struct Run {
    state: Digest,
    traces: Vec<Option<HeapTrace>>,
}

/// Indexes blocks, each with the cache that the one before left or without.
fn run(runner: &Runner, warm: bool) -> (Run, Vec<Start>) {
    let mut state = MemoryState::default();
    let mut image: Option<RegionImage> = None;
    let (mut traces, mut starts) = (Vec::new(), Vec::new());
    for height in 100..103 {
        let input = Input::new(height, &[5]);
        let finished = runner.start_warm(&input, &state, image.as_ref()).unwrap();
        starts.push(start_of(&finished));
        image = finished.image().ok().filter(|_| warm);
        let report = finished.commit(&mut state).unwrap();
        traces.push(report.observed.unwrap().heap_trace);
    }
    let state = state_digest(&state).unwrap();
    (Run { state, traces }, starts)
}

#[test]
fn a_snapshot_computes_what_the_module_does() {
    let module = built();
    let (expected, _) = run(&runner(&module, 4 << 30).unwrap(), false);
    for prepare in [HEAP, REGION] {
        let snapshot = snapshot(&module, prepare);
        let runner = runner(&snapshot, 4 << 30).unwrap();
        for warm in [false, true] {
            let (found, starts) = run(&runner, warm);
            assert_eq!(found.state, expected.state, "{prepare}, warm: {warm}");
            let attached = starts[1..].iter().all(|start| *start == Start::Sealed);
            assert_eq!(attached, warm, "{prepare}: {starts:?}");
            assert_eq!(starts[0], Start::Cold(Cold::Fresh), "{prepare}");
            if prepare == REGION {
                assert_eq!(found, expected);
            }
        }
    }
}

#[test]
fn the_region_is_left_to_later_instances() {
    let module = built();
    let snapshot = snapshot(&module, HEAP);
    let (expected, _) = run(&runner(&snapshot, 4 << 30).unwrap(), false);
    for (ceiling, region, outcome) in [
        (BUDGET, 0, RegionOutcome::Refused),
        (BUDGET + 64 * MIB, 64 * MIB, RegionOutcome::Partial),
        (WHOLE, WHOLE - BUDGET, RegionOutcome::Full),
    ] {
        let runner = runner(&snapshot, ceiling).unwrap();
        assert_eq!(runner.guest().declared_memory().initial, BUDGET);
        let finished = runner.start(&Input::new(1, &[5]), &MemoryState::default());
        let record = finished.unwrap().record().unwrap();
        assert_eq!(u64::from(record.region_granted), region, "{ceiling}");
        assert_eq!(record.region_outcome, outcome as u32, "{ceiling}");
        for warm in [false, true] {
            let (found, starts) = run(&runner, warm);
            assert_eq!(found, expected, "{ceiling}, warm: {warm}");
            assert_eq!(starts[2].is_warm(), warm && region > 0, "{ceiling}");
        }
    }
    // A limit that the host writes holds.
    let limit = RunConfig {
        cache: Some(1 << 20),
        ..runner(&snapshot, 4 << 30).unwrap().config().clone()
    };
    let limited = runner(&snapshot, 4 << 30).unwrap().with_config(limit);
    let finished = limited
        .unwrap()
        .start(&Input::new(1, &[5]), &MemoryState::default());
    assert_eq!(finished.unwrap().record().unwrap().region_len, 1 << 20);
}

#[test]
fn a_region_that_was_granted_before_the_snapshot_is_the_minimum_of_every_host() {
    let snapshot = snapshot(&built(), REGION);
    let refused = runner(&snapshot, WHOLE - 1).err().expect("it needs more");
    let LoadError::InitialMemory { initial, .. } = refused else {
        panic!("{refused}");
    };
    assert_eq!(initial, WHOLE);
    let runner = runner(&snapshot, WHOLE).unwrap();
    let limit = RunConfig {
        cache: Some(1 << 20),
        ..runner.config().clone()
    };
    let limited = runner.with_config(limit).unwrap();
    assert_eq!(run(&limited, true).0, run(&runner, true).0);
    let finished = limited.start(&Input::new(1, &[5]), &MemoryState::default());
    assert_eq!(finished.unwrap().record().unwrap().region_len, 1 << 20);
}

#[test]
fn the_snapshot_and_the_module_have_images_of_their_own() {
    let module = built();
    let snapshot = snapshot(&module, HEAP);
    let [from, into] = [&module, &snapshot].map(|module| runner(module, 4 << 30).unwrap());
    let state = MemoryState::default();
    let input = Input::new(1, &[5]);
    let image = from.start(&input, &state).unwrap().image().unwrap();
    let finished = into.start_warm(&input, &state, Some(&image)).unwrap();
    assert!(finished.refused_image().is_some());
    assert_eq!(start_of(&finished), Start::Cold(Cold::Fresh));
}

#[test]
fn an_image_that_is_refused_leaves_nothing_behind_in_memory_that_was_taken_for_new() {
    let snapshot = snapshot(&built(), REGION);
    let runner = runner(&snapshot, WHOLE).unwrap();
    let mut state = MemoryState::default();
    let first = runner.start(&Input::new(1, &[5]), &state).unwrap();
    let image = first.image().unwrap();
    first.commit(&mut state).unwrap();
    let config = RunConfig {
        cache: Some(image.info().frontier - 1),
        ..runner.config().clone()
    };
    let limited = runner.with_config(config).unwrap();
    let next = Input::new(2, &[9]);
    let refused = limited.start_warm(&next, &state, Some(&image)).unwrap();
    assert_eq!(start_of(&refused), Start::Cold(Cold::TooSmall));
    let cold = limited.start(&next, &state).unwrap();
    assert_eq!(
        refused.outcome().as_ref().ok(),
        cold.outcome().as_ref().ok()
    );
    assert_eq!(
        refused.record().unwrap().trace_digest,
        cold.record().unwrap().trace_digest
    );
    assert!(refused.image().is_ok(), "the cache that it left is sound");
}
