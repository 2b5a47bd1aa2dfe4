//! Runs a module and records what its allocator does.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use steadfast::format::{Exhaustion, PartKind};
use wasmtime::{Caller, Func, Instance, Ref, Store, Val, WasmBacktrace};

use super::ProfileError;
use super::allocator::{self, Role, find};
use super::call_tree::CallTree;
use super::functions::Functions;
use super::instrument::{Event, Instrumented, instrument};
use super::recorder::{Amount, Counts, Recorder, Request, Site};
use super::stacks::{Column, Stacks};
use super::symbols::Symbols;
use super::timeline::Timeline;
use crate::bounds::{Bounds, Exceeded};
use crate::config::RunConfig;
use crate::context::Context;
use crate::heap_marks::heap_map;
use crate::input::Input;
use crate::metashrew::ImportError;
use crate::outline;
use crate::run::{Finished, Runner, run_in_one_instance};
use crate::state::State;
use crate::trap::RunError;

/// What is recorded.
#[derive(Clone, Debug, Default)]
pub struct HeapOptions {
    /// Looks at the stack of one block in so many bytes, and takes it for all of them; with 0, at
    /// each block.
    pub every: u64,
    /// More functions that allocate, by name.
    pub allocator: Vec<(String, Role)>,
}

/// A large request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargeRequest {
    /// Bytes.
    pub bytes: u32,
    /// How often it was made.
    pub times: u64,
    /// The functions that made it, innermost first.
    pub stack: Vec<String>,
}

/// What steadfast's heap takes beside what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeapCost {
    /// The most that whole slabs and large blocks took.
    pub peak_bytes: u64,
    /// The table at the heap's start.
    pub table_bytes: u64,
    /// Free runs between blocks at the end.
    pub free_bytes: u64,
    /// The longest of them.
    pub largest_free_bytes: u64,
}

/// Who held a module's heap.
#[derive(Debug)]
pub struct HeapProfile {
    /// Blocks of the chain that were begun.
    pub blocks: usize,
    /// Why the last one failed, if it did.
    pub failure: Option<RunError>,
    /// Requests.
    pub counts: Counts,
    /// What was in use when it was the most.
    pub peak: Amount,
    /// What is in use at the end.
    pub end: Amount,
    /// Blocks that steadfast's heap has in use at the end, by its own account, beyond those that
    /// were reported. 0 for other heaps, and where not every block is looked at.
    pub unreported_blocks: u64,
    /// In use over the time, in bytes. A tick is a request.
    pub timeline: Timeline,
    /// Figures by stack: the columns are [`HeapProfile::COLUMNS`].
    pub stacks: Stacks,
    /// The largest requests.
    pub largest: Vec<LargeRequest>,
    /// The last request that was answered with null.
    pub refused: Option<LargeRequest>,
    /// What steadfast's heap takes beside that, in a module that is built on it.
    pub cost: Option<HeapCost>,
    /// Whether a function was found that gives blocks back.
    pub sees_frees: bool,
    /// As [`HeapOptions::every`].
    pub every: u64,
}

impl HeapProfile {
    /// What is told of each stack.
    pub const COLUMNS: [Column; 10] = [
        column("peak_bytes", "bytes"),
        column("peak_blocks", "count"),
        column("end_bytes", "bytes"),
        column("end_blocks", "count"),
        column("total_bytes", "bytes"),
        column("total_blocks", "count"),
        column("most_bytes", "bytes"),
        column("most_blocks", "count"),
        column("short_lived_blocks", "count"),
        column("lifetimes", "requests"),
    ];

    /// Whether the last block failed because the heap was exhausted.
    #[must_use]
    pub fn exhaustion(&self) -> Option<&Exhaustion> {
        match &self.failure {
            Some(RunError::HeapExhausted { exhaustion, .. }) => Some(exhaustion),
            _ => None,
        }
    }

    /// Whether the allocator's reports contradict each other: the compiler inlined a part of it.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let counts = &self.counts;
        let unseen = counts.unseen_frees + counts.unseen_allocations + self.unreported_blocks;
        !self.sees_frees || unseen > 0
    }
}

const fn column(name: &'static str, unit: &'static str) -> Column {
    Column { name, unit }
}

fn values(site: &Site) -> Vec<u64> {
    let Site {
        total,
        live,
        peak,
        most,
        short_lived,
        lifetimes,
        ..
    } = *site;
    let amounts = [peak, live, total, most].into_iter();
    let mut values: Vec<u64> = amounts.flat_map(|it| [it.bytes, it.blocks]).collect();
    values.extend([short_lived, lifetimes]);
    values
}

/// Indexes blocks in one instance, up to the first that fails, and records what its allocator hands
/// out and gets back. Takes several times as long as the blocks do.
///
/// ```no_run
/// use steadfast_host::profile::{HeapOptions, heap};
/// use steadfast_host::{Input, MemoryState, RunConfig};
///
/// let module = std::fs::read("indexer.wasm")?;
/// let blocks = [Input::read("702861.block")?];
/// let (config, mut state) = (RunConfig::default(), MemoryState::default());
/// let profile = heap(&module, config, &blocks, &mut state, &HeapOptions::default())?;
/// println!("{} bytes at the peak", profile.peak.bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// When no allocator is found in the module, or it cannot be run.
pub fn heap(
    module: &[u8],
    config: RunConfig,
    inputs: &[Input],
    state: &mut dyn State,
    options: &HeapOptions,
) -> Result<HeapProfile, ProfileError> {
    // The rewritten module is checked again when it is compiled.
    outline::check(module, &config.bounds)
        .map_err(|exceeded| ProfileError::Load(exceeded.into()))?;
    let functions = Functions::read(module)?;
    let hooks = find(&functions, &options.allocator);
    allocator::check(&functions, &hooks, &options.allocator)?;
    if hooks.iter().all(|hook| hook.role.frees()) {
        let has_names = functions.has_names;
        return Err(ProfileError::NoAllocator { has_names });
    }
    let instrumented = instrument(module, &functions, &hooks).map_err(ProfileError::Rewrite)?;
    let symbols = Symbols::read(module, &functions);
    let bounds = config.bounds;
    let runner = Runner::new(&instrumented.module, config)?;
    let heard = Heard::new(options.every, symbols.has_lines(), bounds);
    let heard = Arc::new(Mutex::new(heard));
    let listener = Arc::clone(&heard);
    let ended = run_in_one_instance(
        &runner,
        inputs,
        state,
        |input, state| {
            runner.start_prepared(input, state, |store, instance| {
                listen(store, instance, &instrumented, listener)
            })
        },
        |_| (),
    )?;
    let mut heard = heard.lock().expect("no holder of the recorder panics");
    let Heard { recorder, tree } = &mut *heard;
    let own = OwnAccount::of(&ended.finished);
    for unused in own.iter().flat_map(|own| &own.unused) {
        recorder.forget_in(unused.clone());
    }
    recorder.end();
    let in_use = own.as_ref().filter(|_| options.every == 0);
    let in_use = in_use.map_or(0, |own| own.blocks);
    let sites = recorder.sites();
    let rows = sites.map(|(stack, site)| (stack, values(site)));
    let request = |it: &Request| LargeRequest {
        bytes: it.bytes,
        times: it.times,
        stack: tree
            .places(it.stack)
            .flat_map(|place| symbols.frames(place))
            .filter(|frame| !frame.is_library())
            .map(|frame| frame.function)
            .collect(),
    };
    Ok(HeapProfile {
        blocks: ended.blocks,
        cost: own.map(|own| own.cost),
        counts: recorder.counts,
        peak: recorder.peak(),
        end: recorder.live(),
        unreported_blocks: in_use.saturating_sub(recorder.live().blocks),
        timeline: recorder.timeline.clone(),
        stacks: Stacks::new(&HeapProfile::COLUMNS, tree, &symbols, rows),
        largest: recorder.largest().iter().map(request).collect(),
        refused: recorder.last_refused.as_ref().map(request),
        sees_frees: hooks.iter().any(|hook| hook.role.frees()),
        every: options.every,
        failure: ended.finished.succeeded().err(),
    })
}

/// What the reports have told.
struct Heard {
    recorder: Recorder,
    tree: CallTree,
}

impl Heard {
    fn new(every: u64, tells_lines: bool, bounds: Bounds) -> Self {
        Heard {
            recorder: Recorder::new(every, bounds),
            tree: CallTree::new(tells_lines, bounds),
        }
    }

    fn hear(
        &mut self,
        event: Event,
        [old, bytes, block]: [u32; 3],
        caller: &Caller<'_, Context>,
    ) -> Result<(), Exceeded> {
        let tree = &mut self.tree;
        // The innermost frame is the allocator's own.
        let stack = || tree.enter(&WasmBacktrace::force_capture(caller), 1);
        match event {
            Event::Allocated => self.recorder.allocated(block, bytes, stack),
            Event::Resized => self.recorder.resized(old, block, bytes, stack),
            Event::Freed => {
                self.recorder.freed(old);
                Ok(())
            }
        }
    }
}

/// Makes an instance's allocator report from now on.
fn listen(
    store: &mut Store<Context>,
    instance: &Instance,
    instrumented: &Instrumented,
    heard: Arc<Mutex<Heard>>,
) -> Result<(), wasmtime::Error> {
    let report =
        move |caller: Caller<'_, Context>, event: u32, old: u32, bytes: u32, block: u32| {
            let Some(event) = Event::numbered(event) else {
                return Ok(());
            };
            let mut heard = heard.lock().expect("no holder of the recorder panics");
            heard
                .hear(event, [old, bytes, block], &caller)
                .map_err(|exceeded| wasmtime::Error::from(ImportError::Bound(exceeded)))
        };
    let report = Func::wrap(&mut *store, report);
    let there = "the module was rewritten to export it";
    let reports = instance.get_table(&mut *store, &instrumented.reports);
    reports
        .expect(there)
        .set(&mut *store, 0, Ref::Func(Some(report)))?;
    let is_silent = instance.get_global(&mut *store, &instrumented.is_silent);
    is_silent.expect(there).set(store, Val::I32(0))
}

/// What steadfast's heap tells of itself at the end.
struct OwnAccount {
    cost: HeapCost,
    /// Blocks in use.
    blocks: u64,
    /// Addresses where no block is in use: what is recorded there was given back in a place where
    /// the compiler had inlined that.
    unused: Vec<Range<u32>>,
}

impl OwnAccount {
    fn of(finished: &Finished) -> Option<Self> {
        let info = finished.instance_info()?;
        let map = heap_map(finished.memory(), &info).ok()?;
        let mut own = OwnAccount {
            cost: HeapCost {
                peak_bytes: map.usage().peak_bytes as u64,
                table_bytes: map.parts().next()?.len as u64,
                free_bytes: 0,
                largest_free_bytes: 0,
            },
            blocks: 0,
            unused: Vec::new(),
        };
        for part in map.parts() {
            let (blocks, free) = match part.kind {
                PartKind::Large => (1, 0),
                PartKind::Slab { live_blocks, .. } => (live_blocks as u64, 0),
                PartKind::Free => (0, part.len as u64),
                _ => (0, 0),
            };
            own.blocks += blocks;
            own.cost.free_bytes += free;
            own.cost.largest_free_bytes = free.max(own.cost.largest_free_bytes);
            if blocks == 0 && part.kind != PartKind::Table {
                let start = info.heap_start + part.offset as u32;
                own.unused.push(start..start + part.len as u32);
            }
        }
        Some(own)
    }
}
