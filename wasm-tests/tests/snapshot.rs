//! Modules made of a snapshot after the allocator was used, as Wizer makes them: with memory and
//! globals as they were, and so much memory for a minimum. They start right, on hosts of any size,
//! cold and warm.

use std::convert::Infallible;
use std::fs;

use steadfast::RegionOutcome;
use steadfast::region::{AttachError, Start};
use steadfast_host::{
    Digest, Finished, HeapTrace, Input, LoadError, MemoryState, Output, RegionImage, RunConfig,
    Runner, state_digest,
};
use wasm_encoder::reencode::{Error, Reencode, utils};
use wasm_encoder::{ConstExpr, DataSection, ExportKind, ExportSection, GlobalSection, MemoryType};
use wasm_tests::path;
use wasmparser::{DataSectionReader, ExportSectionReader, GlobalSectionReader, Parser, Payload};
use wasmtime::{Engine, Linker, Module, Store};

const MIB: u64 = 1 << 20;
/// Bytes of the default plan: the heap's budget, and with it the largest region.
const BUDGET: u64 = 128 * MIB;
const WHOLE: u64 = BUDGET + 1024 * MIB;

/// The functions after which snapshots are taken: one leaves the region to later instances, one
/// does not.
const HEAP: &str = "prepare_heap";
const REGION: &str = "prepare_whole";

/// The module as it is built.
fn built() -> Vec<u8> {
    let path = path("wasm32-unknown-unknown", "metashrew-snapshot");
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `cargo xtask guests`", path.display()))
}

const PAGE: usize = 65536;

/// What a snapshot holds: the module's own globals, and its memory.
struct Snapshot {
    globals: Vec<i32>,
    memory: Vec<u8>,
}

/// Exports every global of a module's own by its number.
struct Exporting {
    globals: u32,
}

impl Reencode for Exporting {
    type Error = Infallible;

    fn parse_export_section(
        &mut self,
        exports: &mut ExportSection,
        section: ExportSectionReader<'_>,
    ) -> Result<(), Error> {
        utils::parse_export_section(self, exports, section)?;
        for number in 0..self.globals {
            exports.export(&global(number), ExportKind::Global, number);
        }
        Ok(())
    }
}

fn global(number: u32) -> String {
    format!("global {number}")
}

/// Writes a snapshot into a module: where globals, memory and its minimum begin.
impl Reencode for Snapshot {
    type Error = Infallible;

    fn memory_type(&mut self, memory: wasmparser::MemoryType) -> Result<MemoryType, Error> {
        let mut memory = utils::memory_type(self, memory);
        memory.minimum = (self.memory.len() / PAGE) as u64;
        Ok(memory)
    }

    fn parse_global_section(
        &mut self,
        globals: &mut GlobalSection,
        section: GlobalSectionReader<'_>,
    ) -> Result<(), Error> {
        for (global, value) in section.into_iter().zip(&self.globals.clone()) {
            let kind = self.global_type(global?.ty)?;
            globals.global(kind, &ConstExpr::i32_const(*value));
        }
        Ok(())
    }

    fn data_count(&mut self, _: u32) -> Result<u32, Error> {
        Ok(self.segments().count() as u32)
    }

    fn parse_data_section(
        &mut self,
        data: &mut DataSection,
        _: DataSectionReader<'_>,
    ) -> Result<(), Error> {
        for (page, bytes) in self.segments() {
            let offset = ConstExpr::i32_const((page * PAGE) as i32);
            data.active(0, &offset, bytes.iter().copied());
        }
        Ok(())
    }
}

impl Snapshot {
    /// The pages that are not all zeros.
    fn segments(&self) -> impl Iterator<Item = (usize, &[u8])> {
        let pages = self.memory.chunks(PAGE).enumerate();
        pages.filter(|(_, page)| page.iter().any(|byte| *byte != 0))
    }
}

fn reencoded(module: &[u8], mut how: impl Reencode<Error = Infallible>) -> Vec<u8> {
    let mut out = wasm_encoder::Module::new();
    how.parse_core_module(&mut out, Parser::new(0), module)
        .unwrap();
    out.finish()
}

/// A module that begins where an instance of `module` stands after `prepare`.
fn snapshot(module: &[u8], prepare: &str) -> Vec<u8> {
    let mut globals = 0;
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::GlobalSection(section) = payload.unwrap() {
            globals = section.count();
        }
    }
    let engine = Engine::default();
    let instrumented = reencoded(module, Exporting { globals });
    let instrumented = Module::new(&engine, instrumented).unwrap();
    let mut linker = Linker::new(&engine);
    linker
        .define_unknown_imports_as_traps(&instrumented)
        .unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &instrumented).unwrap();
    let prepare = instance.get_typed_func::<(), ()>(&mut store, prepare);
    prepare.unwrap().call(&mut store, ()).unwrap();
    let memory = instance.get_memory(&mut store, "memory").unwrap();
    let globals = (0..globals).map(|number| {
        let global = instance.get_global(&mut store, &global(number));
        global.unwrap().get(&mut store).unwrap_i32()
    });
    let globals = globals.collect();
    let memory = memory.data(&store).to_vec();
    reencoded(module, Snapshot { globals, memory })
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
    Start::from_code(finished.instance_info().unwrap().cache_start).expect("it opened its cache")
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
            assert_eq!(starts[0], Start::Cold(AttachError::Fresh), "{prepare}");
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
        let info = finished.unwrap().instance_info().unwrap();
        assert_eq!(u64::from(info.region_granted), region, "{ceiling}");
        assert_eq!(info.region_outcome, outcome as u32, "{ceiling}");
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
    assert_eq!(
        finished.unwrap().instance_info().unwrap().region_len,
        1 << 20
    );
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
    assert_eq!(
        finished.unwrap().instance_info().unwrap().region_len,
        1 << 20
    );
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
    assert_eq!(start_of(&finished), Start::Cold(AttachError::Fresh));
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
    assert_eq!(start_of(&refused), Start::Cold(AttachError::TooSmall));
    let cold = limited.start(&next, &state).unwrap();
    assert_eq!(
        refused.outcome().as_ref().ok(),
        cold.outcome().as_ref().ok()
    );
    assert_eq!(
        refused.instance_info().unwrap().trace_digest,
        cold.instance_info().unwrap().trace_digest
    );
    assert!(refused.image().is_ok(), "the cache that it left is sound");
}
